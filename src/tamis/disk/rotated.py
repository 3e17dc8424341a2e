"""Files that were rotated: their names, compressed, and the oldest removed."""

import contextlib
import fcntl
import gzip
import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeAlias

from tamis.disk.failure import as_disk_error, disk_errors

Compression: TypeAlias = Literal["none", "gzip", "zstd"]
ENDINGS: Final[dict[str, str]] = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_EPOCH = datetime(1970, 1, 1)
_NS = 1_000_000_000
_STAMP = r"\.\d{8}T\d{6}\.\d{9}"
_TEMPORARY = ".part"
_CHUNK_BYTES = 1 << 18
_GZIP_LEVEL = 6


def rotated_path(path: Path, now_ns: int) -> Path:
    """A free name for the file that is rotated now: by their names, rotated files are in order."""
    while True:
        seconds, fraction = divmod(now_ns, _NS)
        stamp = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%S")
        found = path.with_name(f"{path.name}.{stamp}.{fraction:09}")
        if not any(os.path.lexists(f"{found}{ending}") for ending in ENDINGS.values()):
            return found
        now_ns += 1


def rotated_files(path: Path) -> list[Path]:
    """The rotated files of a log file, oldest first, compressed or not."""
    pattern = re.compile(re.escape(path.name) + _STAMP + r"(\.gz|\.zst)?")
    with disk_errors("list", path.parent):
        return sorted(file for file in path.parent.iterdir() if pattern.fullmatch(file.name))


def tidy_rotated(path: Path, compression: Compression, keep: int) -> None:
    """Compress what is not yet, and remove all but the newest `keep` (0: none is removed).

    Any number of processes may do it at once, and any may be killed at it: a file is there whole, compressed or
    not, until it is removed.
    """
    files = rotated_files(path)
    stems = sorted({_stem(file) for file in files})
    old = set(stems[:-keep] if keep else ())
    for file in files:
        if _stem(file) in old:
            _remove(file)
        elif compression != "none" and file == _stem(file):
            _compress(file, compression)


def _stem(file: Path) -> Path:
    return file.with_suffix("") if file.suffix in (".gz", ".zst") else file


def _remove(file: Path) -> None:
    with disk_errors("remove", file):
        file.unlink(missing_ok=True)  # another process may have been quicker


def _compress(file: Path, compression: Compression) -> None:
    """By one process at a time: it holds a lock on the file; its temporary file is anybody's after it."""
    with contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(file.open("rb"))
            fcntl.flock(source, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours, there = os.fstat(source.fileno()), file.stat()
        except (BlockingIOError, FileNotFoundError):
            return  # another process is at it, or was
        except OSError as error:
            raise as_disk_error(error, "read", file) from error
        if (ours.st_ino, ours.st_dev) != (there.st_ino, there.st_dev):
            return
        target = Path(f"{file}{ENDINGS[compression]}")
        temporary = Path(f"{target}{_TEMPORARY}")
        with disk_errors("compress", file, needed=ours.st_size // 4):
            try:
                _write_packed(source, temporary, compression, mode=ours.st_mode & 0o777)
                os.utime(temporary, ns=(ours.st_atime_ns, ours.st_mtime_ns))
                temporary.rename(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
            file.unlink()


def _write_packed(source: IO[bytes], temporary: Path, compression: Compression, *, mode: int) -> None:
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as raw:
        os.fchmod(handle, mode)
        with _packer(raw, compression) as packed:
            shutil.copyfileobj(source, packed, _CHUNK_BYTES)
        raw.flush()
        os.fsync(handle)


@contextlib.contextmanager
def _packer(raw: IO[bytes], compression: Compression) -> Iterator[Any]:
    if compression == "gzip":
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=_GZIP_LEVEL, mtime=0) as packed:
            yield packed
        return
    with zstd_module().ZstdFile(raw, "wb") as packed:
        yield packed


def zstd_module() -> Any:
    """The library for zstd; ImportError where there is none."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
    except ImportError:
        from backports import zstd  # type: ignore[no-redef,unused-ignore]  # below 3.14
    return zstd
