"""The part of the settings that says when somebody is to be told, and whom; see `parts`."""

from dataclasses import dataclass
from typing import cast

from tamis.settings.fields import Spec, seconds, special, whole
from tamis.settings.kinds import LIST, Kind
from tamis.settings.processors import parse_expressions, show_expressions


def channels(doc: str) -> tuple[str, ...]:
    """URLs that hold passwords and keys: never shown."""
    return cast("tuple[str, ...]", special((), Spec(LIST, doc, secret=True)))


def queries(doc: str) -> tuple[str, ...]:
    """Texts that may hold commas: a list; in the environment one query, or a list as JSON."""
    kind = Kind("queries", parse_expressions, show_expressions)
    return cast("tuple[str, ...]", special((), Spec(kind, doc)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """When an application tells somebody that it is in trouble, and whom."""

    channels: tuple[str, ...] = channels(
        "Whom alerts are told: URLs of families `smtp`, `webhook`, `slack`, `pagerduty`, `alertmanager`."
    )
    threshold_errors: int = whole(
        10, "So many records of ERROR and above within the window are an alert; 0 counts none."
    )
    window_s: float = seconds("60s", "The time in which records are counted together.", least=0.001)
    cooldown_s: float = seconds(
        "300s",
        "After a notice nothing is said about the same trouble for so long; then whether it goes on or is over.",
        least=1,
    )
    rules: tuple[str, ...] = queries("Queries: a record that one finds is an alert at once.")
    lines_max: int = whole(10, "Lines that an alert carries.", most=100)
