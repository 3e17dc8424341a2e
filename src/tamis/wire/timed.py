"""A time, then text: dpkg, PostgreSQL, nginx, Apache, Android, klog, HDFS, and whatever else begins so.

The message is the line without its time. A level is read where these programs put one.
"""

import re

from tamis.wire.text import ISO, LEVELS, SLASHED, SYSLOG_TIME, TextFormat

_LEVEL = rf"(?P<level>{LEVELS})"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CTIME = (
    rf"{_DAY},? (?:[A-Z][a-z]{{2}} [ \d]?\d|\d\d? [A-Z][a-z]{{2}}) (?:\d{{4}} )?"
    r"\d\d:\d\d:\d\d(?:\.\d+)?(?: \d{4})?"
)
_CLF = r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?: [+-]\d{4})?"
_EPOCH = r"1\d{9}(?:\.\d{1,9})?"
_COMPACT = r"\d{8}T\d{6}(?:\.\d+)?Z?"
_ANY = f"(?:{ISO}|{SLASHED}|{_CTIME}|{SYSLOG_TIME}|{_EPOCH}|{_COMPACT}|{_CLF})"

_ANDROID = (
    r"(?P<cut>(?P<time>\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) +)(?P<pid>\d+) +(?P<thread>\d+) "
    r"(?P<level>[VDIWEFA]) (?P<logger>[^:]{1,200}?) {0,100}: "
)
_KLOG = r"(?P<cut>(?P<time>(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d{6})) +(?P<pid>\d+) (?P<source>[\w./-]+:\d+)\] "
_BLUE_GENE = (
    r"(?P<alert>\S+) (?P<cut>\d{10} \d{4}\.\d\d\.\d\d )(?P<node>\S+) "
    r"(?P<time>\d{4}-\d\d-\d\d-\d\d\.\d\d\.\d\d\.\d+) \S+ \S+ \S+ (?P<level>[A-Z]+) "
)
_POSTGRES = r"(?P<level>LOG|DEBUG\d?|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|STATEMENT|CONTEXT)"


def _level_of_postgres(groups: dict[str, list[str | None]]) -> None:
    """PostgreSQL's LOG is information; DETAIL and its like have no level."""
    if "level" in groups:
        groups["level"] = [_POSTGRES_LEVELS.get(name or "", name) for name in groups["level"]]


_POSTGRES_LEVELS = dict.fromkeys(("DETAIL", "HINT", "STATEMENT", "CONTEXT")) | {"LOG": "INFO"} | {
    f"DEBUG{n}": "DEBUG" for n in range(1, 6)
}  # fmt: skip

TIMED = TextFormat(
    name="timed",
    refine=_level_of_postgres,
    patterns=tuple(
        re.compile(pattern)
        for pattern in (
            rf"(?P<cut>(?P<time>{ISO}) +)\[(?P<pid>\d+)(?:-\d+)?\] (?:\S+ )?{_POSTGRES}: ",
            rf"(?P<cut>\[(?P<time>{_ANY})\] ?)\[(?:[\w.-]+:)?{_LEVEL}\](?: \[pid (?P<pid>\d+)[^\]]*\])?",
            rf"(?P<cut>(?P<time>{SLASHED}) )\[{_LEVEL}\] (?P<pid>\d+)#\d+: ",
            _ANDROID,
            _KLOG,
            rf"(?P<cut>(?P<time>\d{{6}} \d{{6}}) )(?P<pid>\d+) {_LEVEL} (?P<logger>[\w.$*]+): ",
            _BLUE_GENE,
            rf"(?P<cut>\[?(?P<time>{_ANY})\]?:?(?: +|$)(?:[-|] +)?)(?:[\[(]?{_LEVEL}[\])]?(?=[ :\]]))?",
            rf"(?P<service>update-alternatives)(?P<cut> (?P<time>{ISO})): ",
        )
    ),
)
