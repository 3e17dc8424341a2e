"""A body that is one JSON document, as strict readers take it or nearly so."""

import json
from typing import Any

import msgspec

from tamis.errors import WireError
from tamis.record.attributes import DEFAULT_LIMITS
from tamis.wire.jsonlines import read_lenient

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_DEPTH_MAX = 3 * DEFAULT_LIMITS.depth_max


def read_document(body: bytes, what: str) -> dict[str, Any]:
    """The object that a body is; WireError says that it is no `what`.

    NaN and infinities are text; what is no UTF-8, and lone surrogates, are replaced.
    """
    try:
        value = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = _lenient(body, what)
    if not isinstance(value, dict):
        raise WireError(f"not {what}: it is no object")
    return value


def _lenient(body: bytes, what: str) -> Any:
    try:
        text = json.dumps(read_lenient(body.decode("utf-8", "replace")), ensure_ascii=False)
        return json.loads(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
    except RecursionError:
        raise WireError(f"not {what}: nested too deeply") from None
    except ValueError as error:
        raise WireError(f"not {what}: not JSON: {error}") from None


def size_of(value: Any) -> int:
    """About how many bytes a value took."""
    try:
        return len(_encode(value))
    except (OverflowError, ValueError, TypeError, RecursionError):  # integers beyond 64 bits, depth
        return _rough_size(value, 0)


def _rough_size(value: Any, depth: int) -> int:
    if isinstance(value, str):
        return len(value) + 2
    if depth > _DEPTH_MAX:
        return 8
    if isinstance(value, dict):
        return 2 + sum(len(key) + 4 + _rough_size(one, depth + 1) for key, one in value.items())
    if isinstance(value, list):
        return 2 + sum(1 + _rough_size(one, depth + 1) for one in value)
    return 4
