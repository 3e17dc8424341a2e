"""Files with a manifest to be kept, mirrors that have them, and a network that must not be touched."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tamis.disk.base import Disk
from tamis.disk.calls import SystemCalls
from tamis.disk.real import RealDisk
from tamis.errors import AbsentError, SourceError
from tamis.integrity.ledger.signing import Signer
from tamis.integrity.manifest import Manifest
from tamis.integrity.options import StorageOptions
from tamis.integrity.publish import About, Edition, publish
from tamis.integrity.storage import StorageManager
from tamis.integrity.trust import Trust
from tamis.telemetry.status import StatusBoard
from tests.support.faulty_server import FaultyServer, Reply, Request, json_reply
from tests.support.hand_clock import HandClock

SIGNER = Signer(bytes(range(32)))
STRANGER = Signer(bytes(range(1, 33)))
TRUST = Trust(name="shop", keys=(SIGNER.public,))
BIG, SMALL, EMPTY = "models/big.bin", "rules/small.toml", "empty.txt"
CONTENT: Mapping[str, bytes] = {
    BIG: random.Random(5).randbytes(1_500_000),
    SMALL: b"[[rules]]\nname = 'errors'\n",
    EMPTY: b"",
}
OPTIONAL = SMALL


def about(path: str) -> About:
    return About(
        required=path != OPTIONAL,
        part="search by meaning" if path == BIG else "",
        without="words are searched" if path == BIG else "",
    )


EDITION = Edition(name="shop", release="1.0", about=about)


def fill(folder: Path, content: Mapping[str, bytes] = CONTENT) -> None:
    """Put files there, and none else."""
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def make_mirror(
    folder: Path,
    content: Mapping[str, bytes] = CONTENT,
    *,
    edition: Edition = EDITION,
    signer: Signer | None = SIGNER,
    clock: HandClock | None = None,
) -> Manifest:
    """A folder with these files and their signed manifest; a newer version of it, when it is one already."""
    folder.mkdir(parents=True, exist_ok=True)
    fill(folder, content)
    return publish(folder, edition, signer=signer, clock=clock or HandClock(), disk=hasty_disk())


class HastyCalls(SystemCalls):
    """The machine's, without waiting for its disk: these tests end with their folder."""

    def sync(self, handle: int) -> None:
        """Nothing."""

    def sync_folder(self, path: Path) -> None:
        """Nothing, where there is such a folder."""
        path.stat()


def hasty_disk() -> RealDisk:
    """The machine's disk, unsynced."""
    return RealDisk(HastyCalls())


class Place:
    """A folder that is kept, the mirror that has everything, a clock and a board for both."""

    def __init__(self, root: Path, content: Mapping[str, bytes] | None = CONTENT) -> None:
        self.folder, self.mirror = root / "kept", root / "mirror"
        self.clock, self.board = HandClock(), StatusBoard()
        self._managers: list[StorageManager] = []
        if content is not None:
            make_mirror(self.mirror, content)

    def close(self) -> None:
        """Close every manager that was made."""
        for manager in self._managers:
            manager.close()

    def manager(self, *mirrors: Any, disk: Disk | None = None, **more: Any) -> StorageManager:
        """One on the folder; its mirror is the one that has everything unless others are named."""
        options = more.pop("options", replace(StorageOptions(), reserve_bytes=0))
        given: dict[str, Any] = {"trust": TRUST, "clock": self.clock, "board": self.board, **more}
        made = StorageManager(
            self.folder, mirrors or (self.mirror,), disk=disk or hasty_disk(), options=options, **given
        )
        self._managers.append(made)
        return made

    def fill(self) -> None:
        """Have everything there, as a first start would."""
        report = self.manager().initialize_and_verify()
        assert report.is_whole, report

    def content(self) -> dict[str, bytes]:
        """All files that are there, but the manifest and what is kept for ourselves."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_file() and name != "manifest.json" and not name.startswith(".tamis/"):
                found[name] = path.read_bytes()
        return found


class FileServer(FaultyServer):
    """A web server's folder, with ranges or without; counts the bytes of files that it sends."""

    def __init__(self, folder: Path, *, ranges: bool = True, token: str = "", prefix: str = "") -> None:
        self.folder, self.ranges, self.token, self.prefix = folder, ranges, token, prefix
        self.bytes_sent = 0
        super().__init__()

    def answer(self, request: Request) -> Reply:
        """The file, or the part of it that is asked for."""
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return json_reply({"detail": "who are you?"}, 401)
        path = self.folder / request.path.removeprefix(self.prefix).lstrip("/")
        if not path.is_file():
            return json_reply({"detail": "there is no such file"}, 404)
        data = path.read_bytes()
        asked = request.headers.get("range")
        if asked and self.ranges:
            start, end = (int(part) for part in asked.removeprefix("bytes=").split("-"))
            if start >= len(data):
                return Reply(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            piece = data[start : end + 1]
            self.bytes_sent += len(piece)
            return Reply(206, piece, {"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(data)}"})
        self.bytes_sent += len(data)
        return Reply(200, data)


class Flaky:
    """A folder's source that fails when it is told to; counts how often it is asked."""

    def __init__(self, folder: Path, *, name: str = "flaky", is_local: bool = False) -> None:
        self.folder, self.name, self.is_local = folder, name, is_local
        self.failures: list[Exception] = []
        self.reads: list[tuple[str, int, int]] = []
        self.is_closed = False

    def size(self, path: str) -> int:
        self._fail()
        return len(self._data(path))

    def read(self, path: str, *, start: int, length: int) -> bytes:
        self.reads.append((path, start, length))
        self._fail()
        return self._data(path)[start : start + length]

    def fail(self, times: int) -> None:
        """The next so many questions fail in passing."""
        self.failures += [SourceError(self.name, "x", "it failed") for _ in range(times)]

    def close(self) -> None:
        self.is_closed = True

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)

    def _data(self, path: str) -> bytes:
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError:
            raise AbsentError(self.name, path, "there is no such file") from None


@contextmanager
def no_network(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever makes a socket or asks for a name fails the test."""

    def refuse(*args: object, **more: object) -> object:
        raise AssertionError("the network was looked at")

    with patch.context() as patched:
        patched.setattr("socket.socket", refuse)
        patched.setattr("socket.create_connection", refuse)
        patched.setattr("socket.getaddrinfo", refuse)
        yield
