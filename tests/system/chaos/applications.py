"""Applications under test as processes: started, told what to do, and watched."""

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.support.commands import TOKEN, environment, wait_for

SCRIPT = Path(__file__).with_name("application.py")
ANSWER_S = 60.0
"""Longer than any command takes: who has not answered by then is stuck."""
POLL_S = 0.05
SIGNS_OF_TROUBLE = ("Traceback", "Exception ignored", "Fatal Python error", "Logging error", "goes on:")
"""What must not stand in an application's standard error."""
ROOT = str(SCRIPT.parents[3])
PATIENCE: dict[bool, dict[str, str]] = {False: {}, True: {"CHAOS_PATIENCE": "1"}}
PATCHED = {False: (), True: ("-m", "gevent.monkey")}
QUICK = {"TAMIS_SPOOL_ADOPT_INTERVAL_S": "0.1", "TAMIS_SPOOL_RESERVE_BYTES": "0"}


@dataclass
class Application:
    """One process of `application.py`. A context manager: at its end the process is gone."""

    name: str
    process: "subprocess.Popen[str]"
    stderr: Path
    trouble_allowed: tuple[str, ...] = ()
    _early: list[str] = field(default_factory=list)
    _said: "queue.SimpleQueue[str]" = field(default_factory=queue.SimpleQueue)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.put(line)
        self._said.put("")

    def tell(self, do: str, **how: Any) -> None:
        """Have something done."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **how}) + "\n")
        self.process.stdin.flush()

    def stream(self, **how: Any) -> None:
        """Have it log until it is killed; returns when it does."""
        self.tell("stream", **how)
        self._early.append(self._said.get(timeout=ANSWER_S))

    def answer(self, timeout_s: float = ANSWER_S) -> dict[str, Any]:
        """What came of it; fails with all threads' stacks when nothing does."""
        try:
            line = self._said.get(timeout=timeout_s)
        except queue.Empty:
            self.process.send_signal(signal.SIGUSR1)
            wait_for(lambda: "most recent call first" in self.said(), POLL_S * 40)
            raise AssertionError(f"{self.name} is stuck:\n{self.said()}") from None
        assert line, f"{self.name} ended with {self.process.wait(10)}:\n{self.said()}"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, do: str, **how: Any) -> dict[str, Any]:
        """Both."""
        self.tell(do, **how)
        return self.answer()

    def said(self) -> str:
        """Its standard error so far."""
        return self.stderr.read_text("utf-8")

    def end(self) -> dict[str, Any]:
        """Shut logging down and end: the last sums, which hold, as they held all the while; nothing went wrong."""
        last = self.ask("shutdown")
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(ANSWER_S)
        self.check()
        assert code == 0, self.said()
        assert last["broken_sums"] == []
        for sink in last["sinks"].values():
            assert sink["sent"] == sink["accounted"] == sum(last["logged"].values()) + sink["adopted"], last
        return last

    def check(self) -> None:
        """Nothing was raised into the application, nor told as a fault of the pipeline's own."""
        found = [
            sign for sign in SIGNS_OF_TROUBLE if sign in self.said() and sign not in self.trouble_allowed
        ]
        assert found == [], self.said()

    def wait_for_words(self, words: str) -> None:
        """Until its standard error has them."""
        assert wait_for(lambda: words in self.said(), ANSWER_S), self.said()

    def kill(self) -> list[tuple[int, float]]:
        """`kill -9`; what `stream` told until then: numbers, and when the call had returned."""
        self.process.kill()
        self.process.wait(ANSWER_S)
        self._reader.join(ANSWER_S)
        lines = [line.split() for line in self._early]
        while line := self._said.get():
            lines.append(line.split())
        self.check()
        return [(int(number), float(instant)) for number, instant in lines if instant.count(".") == 1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait(ANSWER_S)
        self._reader.join(ANSWER_S)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue


def application(
    folder: Path,
    name: str,
    *sinks: str,
    env: dict[str, str] | None = None,
    patched: bool = False,
    patient: bool = False,
    **settings: Any,
) -> Application:
    """An application that logs to these sinks, with its spool in `folder`. `patient`: it tries them again as late as
    applications do.
    """
    given = {
        "service": name,
        "sinks": sinks,
        "level": "DEBUG",
        "spool_folder": str(folder / "state"),
        **settings,
    }
    stderr = folder / f"{name}.stderr"
    with stderr.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *PATCHED[patched], str(SCRIPT), name, json.dumps(given | settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            cwd=folder,
            env=environment(
                folder, TAMIS_TOKEN=TOKEN, PYTHONPATH=ROOT, **QUICK, **PATIENCE[patient], **(env or {})
            ),
        )
    return Application(name, process, stderr)


def keys_of(name: str, logged: dict[str, int]) -> Iterable[str]:
    """The keys of all that was logged."""
    return (f"{name}/{who}/{number}" for who, count in logged.items() for number in range(count))


def let_run(seconds: float) -> None:
    """Give what runs so much time; nothing is expected to be ready at its end."""
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        time.sleep(POLL_S)


def wait_for_all(app: Application, timeout_s: float = ANSWER_S) -> None:
    """Until nothing waits any more, in memory or in the spool."""
    ends_s = time.monotonic() + timeout_s
    while time.monotonic() < ends_s:
        app.ask("flush", seconds=2.0)
        sinks = app.ask("sums")["sinks"].values()
        if not any(sink["queued"] or sink["spooled"] for sink in sinks):
            return
        time.sleep(POLL_S)
    raise AssertionError(f"records still wait: {app.ask('sums')}\n{app.said()}")
