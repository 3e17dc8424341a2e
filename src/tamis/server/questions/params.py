"""Parameters of a request: from the query string, a JSON body or a form, checked one by one."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from tamis.errors import TooLargeError
from tamis.query.parser import DEFAULT_LIMITS
from tamis.server.problems import ParameterError, ProblemError

BODY_BYTES_MAX = 1 << 20
BODY_TIMEOUT_S = 10.0
"""Parameters and forms are small: they come at once, or not at all."""
PARAMETERS_MAX = 100
TOO_MANY = f"There are more than {PARAMETERS_MAX} parameters."
_WHOLE = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was put: query text, ends of time and `as_of`, all as texts."""

    q: str = ""
    start: str | None = None
    end: str | None = None
    as_of: str | None = None


@dataclass(frozen=True, slots=True)
class Parameters:
    """What was given, by name; an empty text counts as not given. `warnings` name what means nothing here."""

    values: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def text(self, name: str) -> str | None:
        """A text, or None when it was not given. Numbers are taken as their digits."""
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ParameterError(name, value, "a text")
        return value if isinstance(value, str) else str(value)

    def required(self, name: str, allowed: str) -> str:
        """A text that must be given."""
        value = self.field(name) if name == "field" else self.text(name)
        if value is None:
            raise ParameterError(name, "", f"{allowed}; it is missing")
        return value

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number within bounds."""
        text = self.text(name)
        if text is None:
            return default
        value = int(text) if _WHOLE.fullmatch(text) else least - 1
        if not least <= value <= most:
            raise ParameterError(name, self.values[name], f"a whole number from {least:,} to {most:,}")
        return value

    def field(self, name: str) -> str | None:
        """The name of a field, of as many parts as in a query."""
        text = self.text(name)
        if text is not None and text.count(".") >= DEFAULT_LIMITS.name_parts_max:
            allowed = f"the name of a field, of at most {DEFAULT_LIMITS.name_parts_max} parts between dots"
            raise ParameterError(name, text, allowed)
        return text

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        """One of some words; the first is the default."""
        text = self.text(name)
        if text is None:
            return options[0]
        if text.lower() not in options:
            raise ParameterError(name, text, " or ".join(options))
        return text.lower()

    def asked(self) -> Asked:
        """The question in them."""
        return Asked(self.text("q") or "", self.text("start"), self.text("end"), self.text("as_of"))


async def read_parameters(request: Request, known: tuple[str, ...]) -> Parameters:
    """Query string and body together; a name in both, or twice, is a problem."""
    pairs = _pairs(request.scope["query_string"])
    if request.method == "POST":
        pairs += await _body_pairs(request)
    return _made(pairs, known)


def read_query(request: Request, known: tuple[str, ...]) -> Parameters:
    """The query string alone."""
    return _made(_pairs(request.scope["query_string"]), known)


def _made(pairs: list[tuple[str, Any]], known: tuple[str, ...]) -> Parameters:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ParameterError(name, value, "given once")
        values[name] = value
    return Parameters(values, tuple(_unknown(name, known) for name in values if name not in known))


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return f"the parameter {name[:100]} means nothing here; {hint}"


def _pairs(data: bytes) -> list[tuple[str, Any]]:
    try:
        return list(
            parse_qsl(
                data.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX
            )
        )
    except UnicodeDecodeError:
        raise ProblemError(400, "The parameters are not UTF-8.") from None
    except ValueError:
        raise ProblemError(400, TOO_MANY) from None


async def _body_pairs(request: Request) -> list[tuple[str, Any]]:
    body = await read_body(request, BODY_BYTES_MAX)
    if not body.strip():
        return []
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return _pairs(body)
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ProblemError(400, "The body must be a JSON object with the parameters in it.")
    if len(value) > PARAMETERS_MAX:
        raise ProblemError(400, TOO_MANY)
    return [(str(name), item) for name, item in value.items() if item is not None]


async def read_body(request: Request, bytes_max: int) -> bytes:
    """A small body; TooLargeError over its limit, a 408 problem when it does not come."""
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for piece in request.stream():
                size += len(piece)
                if size > bytes_max:
                    raise TooLargeError("body_bytes_max", bytes_max)
                pieces.append(piece)
    except TimeoutError:
        raise ProblemError(408, f"The body did not come within {BODY_TIMEOUT_S:g} s.") from None
    return b"".join(pieces)
