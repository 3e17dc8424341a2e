"""The contract of a disk: what may be asked of it, and what is safe when it returns.

*Safe* means: still there, byte for byte, after a power cut. What is not said to be safe may be there, be
there in part, or be gone. A process that is killed loses nothing that a call returned for.

Everything refused is raised as DiskError with the path and what to do; no room is NoSpaceError.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

    Buffers = Sequence[Buffer]
else:
    Buffers = Sequence
"""Pieces of one run of bytes: bytes, memoryview, a pyarrow Buffer…; written one after the other, never
joined.
"""


class AppendFile(Protocol):
    """A file that only grows. One writer; `sync` may run in another thread than `append`."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    @property
    def size(self) -> int:
        """Bytes in it, safe or not."""
        ...

    def append(self, data: Buffers) -> int:
        """Write at the end; return the position where `data` begins. Not safe before `sync`.

        After an error any part of `data` may be in the file.
        """
        ...

    def sync(self) -> None:
        """Make all that was appended or truncated before this call safe.

        After an error nothing is known of what is safe, and asking again proves nothing (the kernel forgets
        what it could not write): stop using the file.
        """
        ...

    def truncate(self, size: int) -> None:
        """Keep the first `size` bytes. Safe after `sync`; until then the old bytes may come back."""
        ...

    def close(self) -> None:
        """Let go of the file; makes nothing safe. Idempotent."""
        ...


class ReadFile(Protocol):
    """A file open for reading. Thread-safe."""

    @property
    def size(self) -> int:
        """Bytes in it when it was opened."""
        ...

    def read_at(self, position: int, length: int) -> bytes:
        """The bytes from `position` on, fewer than `length` only at the end of the file."""
        ...

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        ...


class Disk(Protocol):
    """Files and folders. Thread-safe for different paths."""

    def create_folder(self, path: Path) -> None:
        """Make the folder and its parents where absent; the way to it and the names in it are safe.
        Idempotent.

        Call it at start also for a folder that is there: names that a killed process left in it are made
        safe.
        """
        ...

    def sync_folder(self, path: Path) -> None:
        """Make the names in a folder safe."""
        ...

    def names(self, path: Path) -> list[str]:
        """The names in a folder, sorted, leftovers of interrupted `write_whole` included (see
        `sweep_temporary`).
        """
        ...

    def read(self, path: Path) -> bytes:
        """The whole file."""
        ...

    def open_read(self, path: Path) -> ReadFile:
        """For reading in pieces."""
        ...

    def size(self, path: Path) -> int:
        """Bytes in a file."""
        ...

    def exists(self, path: Path) -> bool:
        """Whether a file or folder has this name."""
        ...

    def write_whole(self, path: Path, data: Buffers, *, mode: int = 0o600) -> None:
        """Make or replace a file: on return content and name are safe; at every moment before, the name holds
        all of the old content or all of the new, also across a power cut. After an error the old file is in
        place (or, when only the last step failed, perhaps the new one) and no temporary file remains.

        `mode`, less what the umask takes, is what the file may be from its first moment: its owner's alone.
        """
        ...

    def move(self, path: Path, target: Path) -> None:
        """Give a file another name, in another folder perhaps, which must be there; needs no room.

        On return the new name is safe and the old one stays away. `target` must not be there.
        """
        ...

    def replace(self, path: Path, target: Path) -> None:
        """Give a file, whose content is safe, another name in its folder; what had that name is gone. On return the
        name is safe; at every moment before, `target` is all of the old file or all of the new, also across a power
        cut.
        """
        ...

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there; on return it stays away."""
        ...

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder, if it is there; on return it stays away. DiskError when it is not empty."""
        ...

    def open_append(self, path: Path) -> AppendFile:
        """Open at the end, making an empty file if absent; its name is safe on return.

        Of a file that was there, all is safe that is read from now on. That is more than a sync: after one
        that failed, memory goes on showing bytes which the device does not have, and the next sync succeeds.
        So memory's copy is dropped, and what is read comes from the device.
        """
        ...

    def free_bytes(self, path: Path) -> int:
        """Bytes this process may still write where `path` is or will be."""
        ...
