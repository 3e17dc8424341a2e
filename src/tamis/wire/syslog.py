"""Syslog: RFC 3164 as Unix really writes it, rsyslog's lines with ISO times, RFC 5424 with structured data.

The message is the line without priority and time: host and program are found as words.
"""

import re
from typing import Any

from tamis.record.severity import level_of_syslog
from tamis.wire.text import SYSLOG_TIME, Groups, TextFormat

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip

_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"
_PRIORITY = r"(?:<(?P<pri>\d{1,3})>)?"
_HOST = r"(?P<host>[\w.:@/-]+) "
_TAG = r"(?P<service>[^\s:\[\](]+)(?:\([^)\s]*\))?(?:\[(?P<pid>\d+)\])?:(?: |$)"
_DATA = r"\[(?:[^\]\\\"]|\\.|\"(?:[^\"\\]|\\.)*\")*\]"

_NEW = re.compile(
    r"(?P<cut>(?:<(?P<pri>\d{1,3})>\d{1,2} )(?P<time>\d{4}-\d\d-\d\dT\S+|-) )(?P<host>\S+) (?P<service>\S+) "
    rf"(?P<pid>\S+) (?P<msgid>\S+) (?P<data>-|(?:{_DATA})+)(?: |$)"
)
_OLD = re.compile(rf"(?P<cut>{_PRIORITY}(?P<time>{SYSLOG_TIME}) +){_HOST}(?:{_TAG})?")
_RSYSLOG = re.compile(rf"(?P<cut>{_PRIORITY}(?P<time>{_ISO}) ){_HOST}{_TAG}")
_BARE = re.compile(r"(?P<cut><(?P<pri>\d{1,3})>)(?!\d )")

_ELEMENT = re.compile(r"\[(?P<id>[^\s=\]\"]+)(?P<fields>(?:[^\]\\\"]|\\.|\"(?:[^\"\\]|\\.)*\")*)\]")
_FIELD = re.compile(r"(?P<name>[^\s=\]\"]+)=\"(?P<value>(?:[^\"\\]|\\.)*)\"")
_ESCAPED = re.compile(r'\\(["\\\]])')


def structured_data(text: str) -> dict[str, Any] | None:
    """RFC 5424's structured data: the fields of each element, by its id."""
    if text == "-":
        return None
    elements: dict[str, Any] = {}
    for element in _ELEMENT.finditer(text):
        fields = elements.setdefault(element["id"], {})
        for one in _FIELD.finditer(element["fields"]):
            fields[one["name"]] = _ESCAPED.sub(r"\1", one["value"])
    return elements or None


def read_priority(text: str | None) -> tuple[str | None, str | None]:
    """Level and facility of a priority; None, None when there is none."""
    if text is None or int(text) >= len(FACILITIES) * 8:
        return None, None
    facility, severity = divmod(int(text), 8)
    return level_of_syslog(severity), FACILITIES[facility]


def _refine(groups: Groups) -> None:
    pairs = {text: read_priority(text) for text in set(groups["pri"])}
    read = [pairs[text] for text in groups.pop("pri")]
    groups["level"] = [level for level, _ in read]
    groups["facility"] = [facility for _, facility in read]
    if "data" in groups:
        groups["structured_data"] = [structured_data(text) for text in groups.pop("data")]


SYSLOG = TextFormat(name="syslog", patterns=(_NEW, _OLD, _RSYSLOG, _BARE), refine=_refine)
