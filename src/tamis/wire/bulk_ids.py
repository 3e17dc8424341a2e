"""What documents with an id are known by: a digest of index and id, and one of their source."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

KEY_BYTES, CONTENT_BYTES = 16, 8
_WORDS = (KEY_BYTES + CONTENT_BYTES) // 8


@dataclass(frozen=True, slots=True)
class Identities:
    """Of some documents, a row each: two words of the digest of index and id, one of the source's."""

    words: Any

    def __len__(self) -> int:
        return len(self.words)

    def take(self, rows: Any) -> "Identities":
        """Some of them (places, or a mask)."""
        return Identities(self.words[rows])

    def joined(self, others: Sequence["Identities"]) -> "Identities":
        """These and others, in their order."""
        return Identities(np.concatenate([self.words, *(one.words for one in others)]))

    def packed(self) -> bytes:
        """As bytes, the same on every machine."""
        return self.words.astype("<u8").tobytes()  # type: ignore[no-any-return]  # numpy's array


def unpack(data: bytes) -> Identities:
    """What `Identities.packed` made."""
    return Identities(np.frombuffer(data, "<u8").reshape(-1, _WORDS).astype(np.uint64))


NO_IDENTITIES = Identities(np.zeros((0, _WORDS), np.uint64))


def identify(indices: Sequence[str], ids: Sequence[str], sources: Sequence[bytes] | None) -> Identities:
    """The identities of documents in their indices (or all in one). Where all are only to be created nobody asks for
    the digests of their `sources`, and they are left out."""
    if len(indices) == 1:
        index = f"{indices[0]}\0"
        keys = [blake2b((index + name).encode(), digest_size=KEY_BYTES).digest() for name in ids]
    else:
        both = zip(indices, ids, strict=True)
        keys = [blake2b(f"{index}\0{name}".encode(), digest_size=KEY_BYTES).digest() for index, name in both]
    words = np.zeros((len(ids), _WORDS), np.uint64)
    words[:, :2] = np.frombuffer(b"".join(keys), "<u8").reshape(-1, 2)
    if sources is not None:
        contents = [blake2b(source.strip(), digest_size=CONTENT_BYTES).digest() for source in sources]
        words[:, 2] = np.frombuffer(b"".join(contents), "<u8")
    return Identities(words)
