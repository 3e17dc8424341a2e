"""JSON lines, the fast way: like blocks through Arrow with a schema learned from the general way.

Never wrong: where Arrow's reader and `jsonlines.decode` could differ, the answer is None and the general way
is taken. What they differ in, and what stands guard:

- several objects on a line, one over several lines: every line must begin with ``{`` and end with ``}``, and
  the rows must be as many as the lines (Arrow refuses newlines inside texts, so that this suffices);
- NaN, infinities and integers beyond 2**53 in a column of doubles: looked for after parsing;
- guessed types and times: the schema is explicit and has neither;
- broken UTF-8: looked for before parsing;
- objects are structs; a null in them is absent, as the general way has it, and where one holds nothing but nulls
  it is no struct (`arrow_structs`);
- fields that Arrow cannot hold (of several types, lists, deep objects) are decoded as the general way does, and
  only they; Arrow leaves out what is not in its schema, so that fields nobody knows, which would be lost,
  are looked for in each line. Without odd fields Arrow itself refuses them.
"""

import re
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import json as arrow_json

from tamis.wire import jsonlines
from tamis.wire.arrow_columns import Mapper
from tamis.wire.arrow_lines import (
    HEAD_LINES,
    Lines,
    UnfittingError,
    look_at_each,
    only_objects,
    reject,
    sample,
)
from tamis.wire.arrow_schema import LearnedSchemas, Schema, UnlikeError, learn
from tamis.wire.arrow_structs import OddError
from tamis.wire.base import Bytes, Decoded, DecodeOptions, Rejections
from tamis.wire.rows import names_limit

BODY_BYTES_MIN = 1 << 15
"""A smaller body is decoded sooner the general way."""
ARROW_BLOCK_BYTES = 1 << 20
SAMPLE_LINES = 64
SAMPLE_LINES_AGAIN = 512
"""Lines looked at when a schema did not fit: spread over the whole block."""
ATTEMPTS_MAX = 4

_FAILURES = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, UnicodeDecodeError)
_CHANGED = re.compile(r"Column\(/(.+)\) changed from ")
"""How Arrow says that a field has a second type. Should it say so otherwise one day, the general way is taken."""


def decode_fast(body: Bytes, options: DecodeOptions, schemas: LearnedSchemas) -> Decoded | None:
    """What `jsonlines.decode` gives, with columns as Arrow arrays (those of odd fields as lists); None: take the
    general way.

    Values are equal under Python's ``==``: an integer below 2**53 in a column of doubles comes back as one.
    """
    if len(body) < BODY_BYTES_MIN or options.line_as_message:
        return None
    data = body if isinstance(body, bytes) else bytes(body)
    data = data.removeprefix(jsonlines.BOM)
    if data[:64].lstrip().startswith(b"["):
        return None
    try:
        return _decode(data, options, schemas)
    except UnlikeError:
        return None


def _decode(data: bytes, options: DecodeOptions, schemas: LearnedSchemas) -> Decoded:
    _check_utf8(data)
    lines, rejections = only_objects(data, options)
    head = sample(lines, range(HEAD_LINES))
    if not head:
        raise UnlikeError
    key = tuple(head[0])
    schema = schemas.find(key)
    try:
        schema = schema or learn(sample(lines, range(SAMPLE_LINES)))
        for _ in range(ATTEMPTS_MAX):
            found = _attempt(lines, schema, rejections, options=options)
            if isinstance(found, Decoded):
                schemas.succeeded(key, _next_time(schema, found, rejections))
                return found
            schema = found
    except UnlikeError:
        pass
    schemas.failed(key)
    raise UnlikeError


def _attempt(
    lines: Lines, schema: Schema, rejections: Rejections, *, options: DecodeOptions
) -> Decoded | Schema:
    """The block read with a schema; or where it does not fit, a schema that fits better."""
    if len(schema.uniform) + len(schema.odd) > names_limit(options, len(lines.starts)):
        raise UnlikeError
    odd: dict[str, list[Any]] = {}
    try:
        if schema.careful:
            odd, bad = look_at_each(lines, schema)
            if bad:
                lines, rejections = _cut(lines, bad, rejections, options=options)
        columns = Mapper(_parse(lines, schema), odd, options, has_nulls=b"null" in lines.data).columns()
    except OddError as error:
        return schema.widened((), (error.name,))
    except UnfittingError as error:
        return schema.widened(_row(error.line))
    except _FAILURES as error:
        step = max(1, len(lines.starts) // SAMPLE_LINES_AGAIN)
        changed = _CHANGED.search(str(error))
        odd_now = _outermost(changed[1], schema) if changed else ()
        return schema.widened(sample(lines, range(0, len(lines.starts), step)), odd_now)
    return rejections.result(columns)


def _outermost(path: str, schema: Schema) -> tuple[str, ...]:
    """The field that Arrow means by a path: itself, or the object that it is in."""
    if path in schema.uniform:
        return (path,)
    return tuple(
        name for name, kind in schema.uniform.items() if kind.num_fields and path.startswith(f"{name}/")
    )


def _next_time(schema: Schema, found: Decoded, rejections: Rejections) -> Schema:
    """The schema to begin with at the next block: careful only where that was of use."""
    needed = bool(schema.odd) or found.rejected_count > rejections.count
    return schema if schema.careful == needed else Schema(schema.uniform, schema.odd, needed)


def _cut(
    lines: Lines, bad: Any, rejections: Rejections, *, options: DecodeOptions
) -> tuple[Lines, Rejections]:
    """The lines without malformed ones, which are rejected too."""
    places = np.array(bad)
    if len(places) == len(lines.starts):
        raise UnlikeError
    both = Rejections(options.limits.rejections_listed_max)
    for part in (rejections, reject(lines, places, options)):
        both.add_all(part.listed(), part.count)
    return lines.without(places), both


def _row(line: bytes) -> list[dict[str, Any]]:
    try:
        return [msgspec.json.decode(line, type=dict)]
    except (msgspec.DecodeError, RecursionError):
        raise UnlikeError from None


def _check_utf8(data: bytes) -> None:
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            raise UnlikeError from None


def _parse(lines: Lines, schema: Schema) -> Any:
    table = arrow_json.read_json(
        pa.BufferReader(lines.data),
        read_options=arrow_json.ReadOptions(use_threads=True, block_size=ARROW_BLOCK_BYTES),
        parse_options=arrow_json.ParseOptions(
            explicit_schema=pa.schema(list(schema.uniform.items())),
            newlines_in_values=False,
            unexpected_field_behavior="ignore" if schema.odd else "error",
        ),
    )
    if table.num_rows != len(lines.starts):
        raise UnlikeError
    return table
