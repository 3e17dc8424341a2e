"""The contract of a target: where a repository's objects are kept."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from tamis.errors import BackupError

if TYPE_CHECKING:
    from tamis.disk.base import Buffers

_NAME: Final = re.compile(r"[a-z]+(?:/[0-9a-f]+){0,2}(?:\.json)?")
_NAME_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Listed:
    """An object that is there, and its size in bytes."""

    name: str
    size: int


class Target(Protocol):
    """Objects by name: bytes that are there whole or not at all. Thread-safe; several machines may use one.

    Names are those that `require_name` takes. What `put` returned for is safe, and seen by every later `get` and
    `list` of anybody. Whatever the place refuses is a DiskError (or, over a network, an OSError's cause in one); an
    object that is not there is a BackupError of the kind `AbsentObjectError`. Nothing is tried again here.
    """

    @property
    def name(self) -> str:
        """What errors and reports call it; shows no secret."""
        ...

    def put(self, name: str, data: "Buffers") -> None:
        """Keep an object, in the place of one of this name; at every moment all of the old or all of the new."""
        ...

    def put_new(self, name: str, data: "Buffers") -> bool:
        """Keep an object unless one of this name is there; whether it was kept. Of several at once one wins."""
        ...

    def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The bytes from `start` on; fewer than `length` only at the object's end."""
        ...

    def get_again(self, name: str) -> bytes:
        """All bytes, from as far down as can be: not from a memory that `put` filled."""
        ...

    def list(self, prefix: str) -> Iterator[Listed]:
        """Every object whose name begins with the folder `prefix`, in order of name. What `put` was interrupted at
        is not among them, nor what has no name of ours."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object, if it is there; it stays away."""
        ...

    def sweep(self) -> int:
        """Remove what interrupted `put` calls left; how many. Nobody else may be writing."""
        ...

    def free_bytes(self) -> int | None:
        """Bytes that may still be kept; None where nobody knows."""
        ...


class AbsentObjectError(BackupError):
    """An object is not there."""

    def __init__(self, target: str, name: str) -> None:
        self.target, self.name = target, name
        super().__init__(f"{target} has no {name}")


def is_name(name: str) -> bool:
    """Whether an object may be called so."""
    return len(name) <= _NAME_CHARS_MAX and _NAME.fullmatch(name) is not None


def require_name(name: str) -> None:
    """Raise ValueError unless an object may be called so: letters, then hexadecimal parts, perhaps ``.json``."""
    if not is_name(name):
        raise ValueError(f"{name[:_NAME_CHARS_MAX]!r} is no name of an object in a repository")
