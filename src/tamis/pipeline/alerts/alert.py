"""`Alert`: what one notice says; it travels as a record, so that queue, spool and retries are the usual ones."""

from typing import Literal

import msgspec

from tamis.record.model import Record

State = Literal["firing", "going_on", "over"]
ALERT_LOGGER = "tamis.alerts"
_ATTRIBUTE = "alert"
LINE_CHARS_MAX = 1_000


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the records that fired it, as far as a notice needs it; redacted before it came here."""

    timestamp: int
    level: str
    message: str
    logger: str | None = None
    correlation_id: str | None = None
    trace_id: str | None = None
    error: str | None = None


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one shape."""

    shape: str
    pattern: str
    count: int


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A notice. `key` is the same for all notices about one trouble; `began` and `last` are UTC nanoseconds of the
    first and the newest record; `count` is how many there were so far. An alert of a server's rule has `labels`,
    which its records have in common, and a `link` to them.
    """

    key: str
    state: State
    rule: str
    summary: str
    level: str
    service: str
    host: str
    count: int
    threshold: float
    window_s: float
    repeat_s: float
    began: int
    last: int
    groups: tuple[Group, ...] = ()
    lines: tuple[Line, ...] = ()
    labels: dict[str, str] = {}
    link: str = ""


def line_of(record: Record) -> Line:
    """A record as a line of an alert."""
    exception = record.attributes.get("exception")
    error = None
    if isinstance(exception, dict):
        error = _cut(f"{exception.get('type', '')}: {exception.get('message', '')}")
    return Line(
        timestamp=record.timestamp,
        level=record.level or "",
        message=_cut(record.message),
        logger=record.logger,
        correlation_id=record.correlation_id,
        trace_id=record.trace_id,
        error=error,
    )


def _cut(text: str) -> str:
    return text if len(text) <= LINE_CHARS_MAX else text[:LINE_CHARS_MAX] + "…"


def to_record(alert: Alert, now_ns: int, **more: int | str) -> Record:
    """The record that carries an alert; `more` are attributes beside it."""
    return Record(
        timestamp=now_ns,
        message=alert.summary,
        level=alert.level,
        service=alert.service,
        host=alert.host,
        logger=ALERT_LOGGER,
        attributes={_ATTRIBUTE: msgspec.to_builtins(alert), **more},
    )


def alert_of(record: Record) -> Alert:
    """The alert again; ValueError when the record carries none."""
    try:
        return msgspec.convert(record.attributes.get(_ATTRIBUTE), Alert)
    except msgspec.ValidationError as error:
        raise ValueError(f"carries no alert: {error}") from error
