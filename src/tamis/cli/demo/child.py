"""One process of the shop as the demonstration sees it: told letters, asked for its account, ended."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import msgspec

from tamis.cli.demo.shop.letters import Account, FromProcess, Ready, Start, Stop, ToProcess

_DECODE = msgspec.json.Decoder(FromProcess).decode


class Child:
    """A process that runs from the start on. Its standard error goes to a file."""

    def __init__(self, start: Start, log: Path) -> None:
        self.start = start
        self.ready = threading.Event()
        self.account: Account | None = None
        """What became of its records; there once it has ended in order."""
        with log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603  # ourselves
                [sys.executable, "-m", f"tamis.cli.demo.shop.{start.name}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(),
                pass_fds=() if start.listener is None else (start.listener,),
                start_new_session=True,  # Ctrl-C is for us; we end it in order
            )
        self._reader = threading.Thread(target=self._listen, name=f"from-{start.name}", daemon=True)
        self._reader.start()
        self.tell(start)

    @property
    def name(self) -> str:
        """Of the service."""
        return self.start.name

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def tell(self, letter: ToProcess) -> None:
        """Say something to it; nothing happens when it is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(letter) + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return

    def ended(self) -> int | None:
        """The exit code (negative: the signal), once it has ended."""
        return self._process.poll()

    def stop(self, why: str, within_s: float) -> None:
        """Ask it to end."""
        self.tell(Stop(why, within_s))

    def close(self, within_s: float) -> None:
        """Wait for the end, force it when it takes too long, and let go."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(1.0)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except OSError:  # what was still to be said, to a process that is gone
                continue

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            match _DECODE(line):
                case Ready():
                    self.ready.set()
                case Account() as account:
                    self.account = account


def environment() -> dict[str, str]:
    """Ours without what is set for Tamis: the shop logs as the demonstration says."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TAMIS_")}
