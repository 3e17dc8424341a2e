"""What a record is called, the same however often it is sent."""

import hashlib

from tamis.record.model import Record

_CHARS_MAX = 512
"""Elasticsearch's limit of an `_id`."""


def record_id(batch_id: str, place: int, record: Record) -> str:
    """From its process, its number there and its time where it has them, and then the same in whatever batch it
    comes (process numbers are random and may come again: the time tells them apart); else from its batch and its
    place.
    """
    process, sequence = record.attributes.get("process"), record.attributes.get("sequence")
    if type(process) is str and type(sequence) is int:
        made = f"{process}-{sequence}-{record.timestamp:x}"
    else:
        made = f"{batch_id}-{place}"
    if len(made) <= _CHARS_MAX and made.isascii() and made.isprintable():
        return made
    return hashlib.blake2b(made.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
