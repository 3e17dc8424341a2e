"""A real Redis server for tests, on a socket of its own, and a line to it that can be cut, held and slowed."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WAIT_S = 60.0
PIECE_BYTES = 65_536


class RedisServer:
    """A server that listens on a UNIX socket in a folder; `url` is where."""

    def __init__(self, redis_server: Path, folder: Path) -> None:
        self._program, self._folder = redis_server, folder
        self.socket = folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it, and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        command = [str(self._program), "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--dir", str(self._folder), *options], stdout=log, stderr=log
            )
        end_s = time.monotonic() + WAIT_S
        while not self._answers():
            assert time.monotonic() < end_s, (self._folder / "redis.log").read_text()
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_S)
            self._process = None

    def hold(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(WAIT_S)
            client.connect(str(self.socket))
            client.sendall(b"PING\r\n")
            return client.recv(7) == b"+PONG\r\n"
        return False


@contextmanager
def running_redis(redis_server: Path, folder: Path, *options: str) -> Iterator[RedisServer]:
    """Runs for the block."""
    server = RedisServer(redis_server, folder)
    server.start(*options)
    try:
        yield server
    finally:
        server.kill()


class Line:
    """A TCP port on loopback before a UNIX socket. `drip_s` is the time between two bytes of an answer (0: at once);
    `hold` forwards nothing more; `cut` ends what is open.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self.drip_s = 0.0
        self._flows, self._closed = threading.Event(), threading.Event()
        self._flows.set()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """Forward nothing."""
        self._flows.clear()

    def flow(self) -> None:
        """Forward again, what was held first."""
        self._flows.set()

    def cut(self) -> None:
        """End all connections."""
        ends, self._open = self._open, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """End everything."""
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flows.set()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                try:
                    far.connect(str(self._target))
                except OSError:
                    near.close()
                    far.close()
                    continue
                self._open += (near, far)
                for source, sink, is_answer in ((near, far, False), (far, near, True)):
                    threading.Thread(
                        target=self._pass_on,
                        args=(source, sink),
                        kwargs={"is_answer": is_answer},
                        daemon=True,
                    ).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, *, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                self._flows.wait()
                if not (is_answer and self.drip_s):
                    sink.sendall(data)
                    continue
                for index in range(len(data)):
                    sink.sendall(data[index : index + 1])
                    self._closed.wait(self.drip_s)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
