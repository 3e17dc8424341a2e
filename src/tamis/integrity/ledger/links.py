"""The hash chain: what stands in each frame of a ledger, and how it hangs on the one before.

A frame's payload is a link of 32 bytes and a JSON body. The link is SHA-256 over the link before, the frame's
kind and the body; the first part's begin hangs on 32 zeros. So nothing can be changed, removed, put in or
moved without every later link being another one, and the signed checkpoints say which links there were.
"""

import hashlib
from typing import Any, Final

import msgspec

LINK_BYTES: Final = 32
FIRST_LINK: Final = bytes(LINK_BYTES)
FORMAT_VERSION: Final = 1

BEGIN: Final = 1
ENTRY: Final = 2
CHECKPOINT: Final = 3


class Begin(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame of a part: what it goes on from; `before` is the link (hex) it hangs on."""

    format: int
    chain: str
    part: int
    entries: int
    before: str
    at_ns: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: its number in the chain (from 1), when it was made, what it says."""

    n: int
    at_ns: int
    entry: dict[str, Any]


class Numbered(msgspec.Struct, frozen=True):
    """Of an entry what checking needs."""

    n: int


def link_of(before: bytes, kind: int, body: bytes) -> bytes:
    """The link of a frame."""
    made = hashlib.sha256(before)
    made.update(bytes([kind]))
    made.update(body)
    return made.digest()


def is_link(text: str) -> bool:
    """Whether this is a link, as hex."""
    try:
        return len(bytes.fromhex(text)) == LINK_BYTES
    except ValueError:
        return False
