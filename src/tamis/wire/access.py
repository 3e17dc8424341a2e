"""Access logs of web servers: common and combined, with or without a virtual host, and what follows.

The message is the line without its time: client, request, status and agent are found as words.
"""

import re

from tamis.wire.text import Groups, TextFormat

_QUOTED = r'"(?:[^"\\]|\\.)*"'

_LINE = re.compile(
    r"(?:(?P<vhost>[\w.-]+:\d+) )?(?P<client>\S+) (?P<ident>\S+) (?P<user>[^\[\"]{1,200}?)"
    r"(?P<cut> \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\])"
    rf" (?P<request>{_QUOTED}) (?P<status>\d{{3}}|-) (?P<bytes>\d+|-)"
    rf"(?: (?P<referer>{_QUOTED}) (?P<user_agent>{_QUOTED}))?"
)
_REQUEST = re.compile(r'"(?P<method>[A-Z]{1,20}) (?P<path>\S+)(?: (?P<protocol>HTTP/[\d.]+))?"')


def _refine(groups: Groups) -> None:
    """The request's parts; what is no request line stays in the message only."""
    parts = [_REQUEST.fullmatch(request) for request in groups.pop("request")]
    for name in ("method", "path", "protocol"):
        groups[name] = [None if part is None else part[name] for part in parts]
    for name in ("referer", "user_agent"):
        groups[name] = [None if value is None else value[1:-1] for value in groups[name]]


ACCESS = TextFormat(
    name="access", patterns=(_LINE,), numbers=frozenset({"status", "bytes"}), refine=_refine
)  # fmt: skip
