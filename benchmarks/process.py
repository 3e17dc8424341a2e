"""A real `tamis serve` in a process of its own, and what the system says of its memory and processor time."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

TOKEN = "benchmark-" + "t" * 32
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 120.0
POLL_S = 0.005
MIB = 1 << 20


class ServerProcess:
    """`tamis serve` on a data folder and a free port of loopback. Not thread-safe but for `port`."""

    def __init__(
        self, data: Path, *, port: int | None = None, environment: dict[str, str] | None = None
    ) -> None:
        self.data = data
        self.port = free_port() if port is None else port
        self._environment = {**os.environ, "TAMIS_ADMIN_TOKEN": TOKEN, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it; return the seconds from starting the process until /readyz is 200."""
        self.launch()
        return self.wait_ready()

    def launch(self) -> None:
        """Start it and return at once."""
        command = [
            sys.executable,
            "-m",
            "tamis.cli",
            "serve",
            "--data",
            str(self.data),
            "--port",
            str(self.port),
        ]
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with self.data.with_suffix(".log").open("ab") as log:
            self._began = time.perf_counter()
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def wait_ready(self) -> float:
        """Seconds since `launch` until it said that it is ready."""
        assert self._process is not None
        while time.perf_counter() - self._began < START_TIMEOUT_S:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended with {self._process.returncode}: {self.log_tail()}")
            if self._is_ready():
                return time.perf_counter() - self._began
            time.sleep(POLL_S)
        raise TimeoutError(f"not ready within {START_TIMEOUT_S} s: {self.log_tail()}")

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def log_tail(self) -> str:
        """The end of what it printed."""
        text = self.data.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
        return text[-2_000:].replace(TOKEN, "***")

    def stop(self) -> None:
        """End it cleanly and wait for that."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def reset_peak(self) -> None:
        """From now on `peak_mib` counts anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def memory_mib(self) -> float:
        """Resident memory now."""
        return self._status("VmRSS")

    def peak_mib(self) -> float:
        """The most resident memory since `reset_peak`."""
        return self._status("VmHWM")

    def _status(self, name: str) -> float:
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024 / MIB
        raise RuntimeError(f"the system does not tell {name}")

    def cpu_s(self) -> float:
        """Processor seconds since it started, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Reader:
    """Asks a server over one connection that stays open."""

    def __init__(self, port: int, timeout_s: float = 60.0) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def get(self, path: str, **parameters: object) -> Any:
        """The answer's JSON; an answer that is not 200 is an error."""
        return json.loads(self.raw(path, **parameters))

    def raw(self, path: str, **parameters: object) -> bytes:
        """The answer's bytes: what is timed."""
        return self._asked("GET", f"{path}?{urlencode(parameters)}")

    def post(self, path: str) -> None:
        """Have something done."""
        self._asked("POST", path)

    def _asked(self, method: str, path: str) -> bytes:
        self._connection.request(method, path, headers={**HEADERS, "Accept": "application/json"})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status not in (200, 202):
            raise RuntimeError(f"{path}: {answer.status} {body[:500].decode(errors='replace')}")
        return body

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def free_port() -> int:
    """A port of loopback that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
