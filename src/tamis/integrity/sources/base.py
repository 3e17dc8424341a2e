"""The contract of a source: where bytes of named files come from when they are missing here."""

from typing import Protocol


class Source(Protocol):
    """A place that has files by their names: a folder, another Tamis, a web server, a backup. Thread-safe.

    Nothing that it gives is believed: whoever asks compares what came with a digest known from elsewhere. A source
    tries once and waits for nobody but up to its own time limit; who asks may ask again.

    Paths are relative, with slashes, as a manifest has them. Errors:

    - AbsentError: this source does not have the file, or not those bytes. Asking it again does not help; another may
      have them.
    - SourceError: it could not be read now (a disk's error, no connection, a refusal). Asking again may help.
    """

    @property
    def name(self) -> str:
        """What errors and progress call it; shows no secret."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine: such sources are asked first, and when there is no network."""
        ...

    def size(self, path: str) -> int:
        """Bytes of a file."""
        ...

    def read(self, path: str, *, start: int, length: int) -> bytes:
        """Exactly `length` bytes of a file from `start` on; AbsentError when it ends before."""
        ...

    def close(self) -> None:
        """Let go of files and connections. Idempotent."""
        ...
