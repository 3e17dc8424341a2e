"""One function a kind of setting: each makes a dataclass field that carries its row of the table.

They are typed as what the field will hold, so that a part reads `port: int = whole(4817, "…")`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from tamis.settings import kinds
from tamis.settings.kinds import Kind

Check = Callable[[object], None]
"""Raises ValueError with half a sentence when the value is not allowed."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a field says of itself beside its name, type and default."""

    kind: Kind
    doc: str
    check: Check | None = None
    secret: bool = False
    environment: str | None = None
    in_repr: bool = True


def special(default: object, spec: Spec) -> object:
    """A kind of its own; the caller says its type."""
    return field(default=default, repr=spec.in_repr and not spec.secret, metadata={"spec": spec})


def within(least: float | None, most: float | None) -> Check:
    """Numbers from `least` to `most`, both allowed; None is no bound."""

    def check(value: object) -> None:
        number = cast(float, value)
        if least is not None and number < least:
            raise ValueError(f"must be at least {least:,}")
        if most is not None and number > most:
            raise ValueError(f"must be at most {most:,}")

    return check


def text(
    default: str,
    doc: str,
    *,
    check: Check | None = None,
    secret: bool = False,
    in_repr: bool = True,
    environment: str | None = None,
) -> str:
    """Any text; a `secret` is never shown, what is not `in_repr` only where it was cleaned."""
    spec = Spec(kinds.TEXT, doc, check=check, secret=secret, in_repr=in_repr, environment=environment)
    return cast(str, special(default, spec))


def choice(default: str, doc: str, *options: str) -> str:
    """One of some words."""

    def check(value: object) -> None:
        if value not in options:
            raise ValueError(f"must be one of {', '.join(options)}")

    return cast(str, special(default, Spec(Kind(" or ".join(options), kinds.parse_text), doc, check=check)))


def whole(default: int, doc: str, *, least: int | None = 0, most: int | None = None) -> int:
    """A whole number."""
    return cast(int, special(default, Spec(kinds.INT, doc, check=within(least, most))))


def real(default: float, doc: str, *, least: float | None = 0, most: float | None = None) -> float:
    """A number with a fraction."""
    return cast(float, special(default, Spec(kinds.FLOAT, doc, check=within(least, most))))


def flag(default: object, doc: str) -> bool:
    """True or false."""
    return cast(bool, special(bool(default), Spec(kinds.BOOL, doc)))


def size(default: str, doc: str, *, least: int = 0) -> int:
    """Bytes; the default is written with its unit."""
    kind = kinds.BYTES_OR_OFF if default == "off" else kinds.BYTES
    spec = Spec(kind, doc, check=within(least, None))
    return cast(int, special(kinds.parse_bytes(default), spec))


def seconds(default: str, doc: str, *, least: float = 0, most: float | None = None) -> float:
    """A duration; the default is written with its unit."""
    kind = kinds.DURATION_OR_OFF if default == "off" else kinds.DURATION
    spec = Spec(kind, doc, check=within(least, most))
    return cast(float, special(kinds.parse_seconds(default), spec))


def names(doc: str, *default: str, check: Check | None = None) -> tuple[str, ...]:
    """A list of texts."""
    return cast("tuple[str, ...]", special(default, Spec(kinds.LIST, doc, check=check)))


def folder(default: str, doc: str) -> Path:
    """A path that is always there; `~` is opened when the settings are made."""
    spec = Spec(kinds.PATH, doc)
    return field(default_factory=lambda: kinds.parse_path(default), metadata={"spec": spec, "shown": default})


def optional_port(doc: str) -> int | None:
    """A port, or none."""
    return cast("int | None", special(None, Spec(kinds.PORT_OR_OFF, doc)))


def optional_file(doc: str) -> Path | None:
    """A path, or none."""
    return cast("Path | None", special(None, Spec(kinds.OPTIONAL_PATH, doc)))
