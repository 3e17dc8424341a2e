"""A record that is too large for its receiver, made small enough for most."""

from collections.abc import Mapping
from typing import cast

import msgspec

from tamis.record.attributes import CUT_MARK, AttributeLimits, safe_attributes
from tamis.record.model import Record

LIMITS = AttributeLimits(depth_max=8, items_max=200, text_chars_max=1_024)
MESSAGE_CHARS_MAX = 16_384
FIELD_CHARS_MAX = 1_024
_KEPT = ("process", "process_id", "sequence")


def cut(record: Record) -> Record:
    """The record with its texts and lists cut, and `cut: true` among its attributes; who sent it, and as which of
    its process, stays.
    """
    texts = {
        name: _cut_text(value, MESSAGE_CHARS_MAX if name == "message" else FIELD_CHARS_MAX)
        for name in record.__struct_fields__
        if isinstance(value := getattr(record, name), str)
    }
    attributes = safe_attributes(cast("Mapping[object, object]", record.attributes), LIMITS)
    kept = {name: record.attributes[name] for name in _KEPT if name in record.attributes}
    return msgspec.structs.replace(record, **texts, attributes={**attributes, **kept, "cut": True})


def _cut_text(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[:chars_max] + CUT_MARK
