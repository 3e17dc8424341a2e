"""Options that many commands share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from tamis.cli.failure import UsageError
from tamis.cli.target import Ask
from tamis.settings.kinds import parse_seconds

_WHERE = Group("Where", sort_key=2)
_WHEN = Group("When", sort_key=1)

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
"""An option without a value."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which records: a server's, or a data folder's."""

    url: Annotated[str | None, Parameter(group=_WHERE)] = None
    """The server to talk to; else TAMIS_URL, else the one on this machine."""
    data: Annotated[Path | None, Parameter(group=_WHERE)] = None
    """A data folder: through the server that has it open, else directly."""


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Which time."""

    since: Annotated[str | None, Parameter(group=_WHEN, allow_leading_hyphen=True)] = None
    """From when on: 1h (ago), RFC 3339, or epoch; everything by default."""
    until: Annotated[str | None, Parameter(group=_WHEN, allow_leading_hyphen=True)] = None
    """Until when (not included), in the same ways."""


def ask_of(words: tuple[str, ...], when: When) -> Ask:
    """The question that a command line puts."""
    return Ask(" ".join(words), start=_moment(when.since), end=_moment(when.until))


def _moment(text: str | None) -> str | None:
    """A duration means so long ago; anything else is for the server to read."""
    if text is None or (text.isascii() and text.isdigit()):
        return text
    text = text.strip()
    if not text:
        raise UsageError("a time is empty; write for example 1h, or 2026-11-21T10:00:00Z")
    try:
        parse_seconds(text)
    except ValueError:
        return text
    return f"-{text}"
