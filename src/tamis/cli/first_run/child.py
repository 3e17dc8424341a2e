"""The server in a process of its own, as `tamis serve` starts it."""

import re
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tamis.cli.failure import CommandError
from tamis.server.local import LocalServer, read_local

START_S = 60.0
STOP_S = 30.0
_LINK = re.compile(r"https?://\S+/\?token=\S+")
_SECRET = re.compile(r"(token=|[Tt]oken[^:]*: )\S+")
LOG_NAME = "server.log"


class ServerProcess:
    """A context: the server runs inside. Its output goes to `server.log` in the folder. It ends with this process,
    however that ends.
    """

    def __init__(self, folder: Path, port: int, *, data: Path | None = None, stop_s: float = STOP_S) -> None:
        self._folder, self._port, self._stop_s = folder, port, stop_s
        self.data = data or folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "ServerProcess":
        command = [sys.executable, "-m", "tamis.cli.first_run.served", "--data", str(self.data)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # ourselves
                [*command, "--port", str(self._port)],
                stdin=subprocess.PIPE,  # it ends when nobody holds the other end
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone; we end the server when we are done with it
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(self._stop_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()

    @property
    def log(self) -> Path:
        """What the server says."""
        return self._folder / LOG_NAME

    def wait_until_ready(self) -> LocalServer:
        """Where it listens, and with which token; CommandError when it does not come up."""
        assert self._process is not None
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            running = read_local(self.data)
            if running is not None and self.link() is not None:
                return running
            time.sleep(0.05)
        raise CommandError(f"the server did not start: {self.log.read_text(errors='replace').strip()[-500:]}")

    def link(self) -> str | None:
        """The link that signs in once."""
        found = _LINK.search(self.log.read_text(errors="replace"))
        return found[0] if found else None

    def write_log_without_secrets(self, path: Path) -> None:
        """The server's own log, fit to be searched: tokens are masked."""
        text = self.log.read_text(errors="replace")
        path.write_text(_SECRET.sub(r"\1***REDACTED***", text))

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process is not None and self._process.poll() is not None
