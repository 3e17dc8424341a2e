"""A body that is one JSON document, as strict readers take it or nearly so."""

import json
from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any

import msgspec

from tamis.errors import TooLargeError, WireError
from tamis.record.attributes import DEFAULT_LIMITS
from tamis.wire.jsonlines import read_lenient

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
WHOLE_BYTES_MAX = 1 << 22
"""A larger document is read layer by layer."""
VALUES_MAX = 1_000_000
"""A document that is no strict JSON is mended when it has at most so many commas and brackets, strings included."""
_DEPTH_MAX = 3 * DEFAULT_LIMITS.depth_max


def read_document(body: bytes, what: str) -> dict[str, Any]:
    """The object that a body is; WireError says that it is no `what`.

    NaN and infinities are text; what is no UTF-8, and lone surrogates, are replaced, unless the body may have more
    than `VALUES_MAX` values: mending takes far more memory than reading.
    """
    value = read_value(body, what)
    if not isinstance(value, dict):
        raise WireError(f"not {what}: it is no object")
    return value


def read_value(body: bytes | msgspec.Raw, what: str) -> Any:
    """As `read_document`, of any type."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _lenient(bytes(body), what)


def read_layer(body: bytes | msgspec.Raw, layer: type[msgspec.Struct], what: str) -> dict[str, Any]:
    """The fields of an object that `layer` names, each kept as the bytes that it is where `layer` says so (Raw): a
    large body is read layer by layer, so that it is never there whole as Python's objects. Else as `read_document`.
    """
    decode = _layer_decoder(layer).decode
    try:
        found = decode(body)
    except msgspec.ValidationError as error:
        raise WireError(f"not {what}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = decode(_encode(_lenient(bytes(body), what)))
    return {name: getattr(found, name) for name in layer.__struct_fields__}


@cache
def _layer_decoder(layer: type[msgspec.Struct]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(layer)


def check_count(
    body: bytes, levels: Sequence[tuple[str, ...]], what: str, *, of: str, count_max: int
) -> None:
    """TooLargeError when what the lists named by `levels` hold, each inside what the one before holds, is more than
    `count_max` anywhere (objects, or for the innermost lists, as `of` says). Looked at closely only if there are
    commas enough for so many; then, too, nothing else is read.
    """
    if body.count(b",") < count_max:
        return
    kind = _counted([], count_max, is_list=of == "lists")
    for names in reversed(levels):
        kind = _counted([(name, list[kind] | None, None) for name in names], count_max)  # type: ignore[valid-type]  # made above
    try:
        msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise WireError(f"not {what}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # mended later, within its own limit


def _counted(
    fields: list[tuple[str, Any, Any]], count_max: int, *, is_list: bool = False
) -> type[msgspec.Struct]:
    """A type of which no more than so many may be read."""
    found = count()

    def check(_: object) -> None:
        if next(found) >= count_max:
            raise TooLargeError("ingest.lines_max", count_max)

    return msgspec.defstruct("Counted", fields, array_like=is_list, namespace={"__post_init__": check})


def _lenient(body: bytes, what: str) -> Any:
    if sum(map(body.count, (b",", b"[", b"{"))) > VALUES_MAX:
        raise _too_long_to_mend(body, what)
    try:
        text = json.dumps(read_lenient(body.decode("utf-8", "replace")), ensure_ascii=False)
        return json.loads(text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
    except RecursionError:
        raise WireError(f"not {what}: nested too deeply") from None
    except ValueError as error:
        raise WireError(f"not {what}: not JSON: {error}") from None


def _too_long_to_mend(body: bytes, what: str) -> WireError:
    """What is wrong with a body that is no strict JSON, and too large to be read otherwise."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except RecursionError:
        return WireError(f"not {what}: nested too deeply")
    except msgspec.DecodeError as error:
        return WireError(
            f"not {what}: {error}; of over {VALUES_MAX:,} values only strict JSON in UTF-8 is read, send it in parts"
        )
    return WireError(f"not {what}: it is not UTF-8; of over {VALUES_MAX:,} values only strict JSON is read")


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
