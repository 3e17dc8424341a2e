"""A file of 500 MB of which 1 % was changed, put in and taken out in 20 places: what travels to who has the old one,
manifest and all, as the bytes that an HTTP server sent.
"""

import random
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, ClassVar

from benchmarks.report import Goal
from tamis.integrity.manifest import FILE_NAME
from tamis.integrity.publish import Edition, publish
from tamis.integrity.storage import StorageManager

FILE_BYTES, CHANGED, PLACES = 500_000_000, 0.01, 20
SHARE_MAX = 0.03
NAME = "large.bin"
EDITION = Edition(name="bench")


def measure(work: Path) -> list[Goal]:
    """Bytes that travel beside the file's."""
    here, there = work / "here", work / "there"
    there.mkdir(parents=True)
    here.mkdir()
    _make(there / NAME)
    publish(there, EDITION)
    for name in (NAME, FILE_NAME):
        shutil.copyfile(there / name, here / name)
    _change(there / NAME)
    publish(there, EDITION)
    with _Files(there) as url, StorageManager(here, [url]) as manager:
        begin = time.perf_counter()
        report = manager.update()
        seconds = time.perf_counter() - begin
        assert report.is_whole
        assert report.version == 2
        sent = _Handler.sent
    share = sent / FILE_BYTES
    return [
        Goal(f"update after {CHANGED:.0%} of a file changed in {PLACES} places",
             f"{sent / 1e6:.1f} MB in {seconds:.1f} s", f"{FILE_BYTES / 1e6:,.0f} MB", share,
             f"≤ {SHARE_MAX:.0%} travels", share <= SHARE_MAX)
    ]  # fmt: skip


def _make(path: Path) -> None:
    rng = random.Random(2)
    with path.open("wb") as file:
        for _ in range(FILE_BYTES // 10_000_000):
            file.write(rng.randbytes(10_000_000))


def _change(path: Path) -> None:
    """In each place a third is overwritten, a third is new, and a third is gone: 1 % of the file in all."""
    rng = random.Random(3)
    piece = int(FILE_BYTES * CHANGED / PLACES / 3)
    old = path.with_name("old")
    path.rename(old)
    with old.open("rb") as source, path.open("wb") as target:
        for _ in range(PLACES):
            shutil.copyfileobj(_Limited(source, FILE_BYTES // PLACES - 2 * piece), target)
            target.write(rng.randbytes(2 * piece))
            source.seek(2 * piece, 1)
    old.unlink()


class _Limited:
    """So many bytes of a file."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self._file, self._left = file, left

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(data)
        return data


class _Handler(BaseHTTPRequestHandler):
    """Ranges of the files of a folder."""

    protocol_version = "HTTP/1.1"
    folder: ClassVar[Path]
    sent: ClassVar[int] = 0

    def do_GET(self) -> None:
        path = self.folder / self.path.lstrip("/")
        size = path.stat().st_size
        start, end = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(end + 1 - start)
        _Handler.sent += len(data)
        self.send_response(206)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{size}")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class _Files:
    """A web server of a folder while the block runs; its URL."""

    def __init__(self, folder: Path) -> None:
        _Handler.folder, _Handler.sent = folder, 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
