"""The parts of the settings that say when somebody is to be told, and whom: by an application, by a server."""

from dataclasses import dataclass
from typing import cast

from tamis.settings.fields import Spec, names, seconds, special, text, whole
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertsSettings:
    """How a server looks after its alert rules, and how far it goes to tell somebody."""

    interval_s: float = seconds("1s", "How often arriving records are looked at.", least=0.05, most=60)
    grace_s: float = seconds(
        "60s", "After a start, or when the machine slept, nothing counts as missing for so long."
    )
    groups_max: int = whole(
        1_000, "Groups that a rule tells apart; those that come later are left out.", least=1
    )
    lines_max: int = whole(10, "Records that an alert carries.", most=10)
    url: str = text("", "Where people reach the server, for links; else the address it listens on.")
    mail: str = text(
        "",
        "The mail server for channels `mailto:…`: `smtp+starttls://user:password@host:587?from=tamis@example.org`. "
        "It may stand anywhere, also in the own network or on loopback.",
        secret=True,
    )
    networks: tuple[str, ...] = names(
        "Networks such as 10.0.0.0/8 that channels may lead into; the own network is refused otherwise."
    )
    send_timeout_s: float = seconds("10s", "How long one try to tell a channel may take.", least=0.1)
    retry_for_s: float = seconds("24h", "How long it is tried again; then it is given up.", most=86_400)
    history_age_s: float = seconds("30d", "How long the history of rules is kept.", least=60)
    dry_run_s: float = seconds("31d", "How far back a dry run may go.", least=60)
