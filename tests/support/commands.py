"""Commands in processes of their own, and a server for them to talk to."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from tamis.cli import run

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0
TOKEN = "the-admins-token-in-tests"  # of servers that live for one test
LISTENING = "Tamis listens on "


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def environment(home: Path, **extra: str) -> dict[str, str]:
    """An environment with nothing of the one that the tests run in but what programs take to start."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "src"),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        **extra,
    }


def tamis(*arguments: str, home: Path, given: str = "", **extra: str) -> Ran:
    """Run `tamis` with these arguments in `home`; `given` is its standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "tamis.cli", *arguments],
        input=given.encode(),
        capture_output=True,
        check=False,
        cwd=home,
        env=environment(home, **extra),
        timeout=60,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_program(text: str, *, home: Path, **extra: str) -> Ran:
    """Run a Python program, given as text, in `home`, to its end."""
    done = subprocess.run(
        [sys.executable, "-c", text],
        capture_output=True,
        check=False,
        cwd=home,
        env=environment(home, **extra),
        timeout=60,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def tamis_here(*arguments: str, home: Path, **extra: str) -> Ran:
    """The same in this process: as `tamis`, but quicker, and without standard input."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8")
    with (
        patch.dict(os.environ, environment(home, **extra), clear=True),
        contextlib.chdir(home),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run(arguments)
        out.flush()
        err.flush()
    return Ran(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    written = stream.buffer
    assert isinstance(written, io.BytesIO)
    return written.getvalue().decode()


def start(*arguments: str, home: Path, output: Path, **extra: str) -> "subprocess.Popen[bytes]":
    """Start `tamis` and leave it running; what it says goes to `output`."""
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "tamis.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=home,
            env=environment(home, **extra),
        )


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


@dataclass(slots=True)
class Server:
    """A server on loopback, with its data folder."""

    process: "subprocess.Popen[bytes]"
    url: str
    data: Path
    output: Path

    def stop(self) -> int:
        """End it as Ctrl-C does; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self.process.kill()
        self.process.wait(30)


def start_server(home: Path, *, port: str = "0", **extra: str) -> Server:
    """A server on `home`/data that is ready."""
    output = home / "server.log"
    data = home / "data"
    command = ("serve", "--data", str(data), "--port", port)
    process = start(*command, home=home, output=output, TAMIS_ADMIN_TOKEN=TOKEN, **extra)
    ready = wait_for(lambda: LISTENING in output.read_text() or process.poll() is not None, START_S)
    assert ready, f"the server is not ready: {output.read_text()}"
    assert process.poll() is None, output.read_text()
    url = output.read_text().partition(LISTENING)[2].split()[0]
    return Server(process, url, data, output)


@contextlib.contextmanager
def running_server(home: Path, **extra: str) -> Iterator[Server]:
    """A server for as long as the context lasts."""
    server = start_server(home, **extra)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
