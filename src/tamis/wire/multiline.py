"""Which lines of a text belong together: a record and the stack trace below it."""

import re
from collections.abc import Callable, Sequence

from tamis.wire.base import WireLimits

Span = tuple[int, int]
"""First and last line of a record (both included)."""

FRAME_CHARS_MAX = 4_096
"""A longer line is none of a stack trace."""

_CONTINUES = re.compile(
    r"[ \t]+\S|Traceback \(most recent call last\)|Caused by: |Suppressed: |\.\.\. \d+ (?:more|common)|at [\w.$<>/]+\("
    r"|During handling of the above exception|The above exception was the direct cause|goroutine \d+ \["
    r"|--- End of |---> |End-Date: "
)
_INDENTED = re.compile(r"[ \t]")
_FRAME = re.compile(
    r"[ \t]+(?:at [\w.$<>\[\]/`]|from \S+:\d+:|File \"|\.\.\. \d+ (?:more|common)|Suppressed: |Caused by: "
    r"|---> |--- End of |\+ Exception Group )"
)
_ERROR = re.compile(r"(?:[\w$]+[./])*[\w$]+(?:: |:?$)")
_ERROR_NAMED = re.compile(
    r"(?:[\w$]+\.)*[\w$]*(?:Exception|Error|Exit|Interrupt|Failure|Throwable)(?:: |:?$)"
)
_GO_FRAME = re.compile(r"[\w./*()\[\]{}·-]+\(.*\)$|created by ")
_TRACES = (
    ("Traceback (", "python"),
    ("Exception Group Traceback (", "group"),
    ("goroutine ", "go"),
    ("Start-Date: ", "apt"),
)
"""What begins a block of lines, and whose rules hold in it; a block of apt's history ends with a blank line."""


def spans(lines: Sequence[str], begins: Callable[[str], object] | None, limits: WireLimits) -> list[Span]:
    """The records of some lines. Blank lines are in none, but for those inside a record.

    `begins` tells the lines that certainly begin a record (they have the format's prefix): then indented lines
    belong to the record above. None: plain text, where only the lines of stack traces do.
    """
    continues = _CONTINUES.match
    if not any(map(continues, lines)):
        return [(at, at) for at, line in enumerate(lines) if line and not line.isspace()]
    joiner = _Joiner(begins, limits)
    for at, line in enumerate(lines):
        joiner.add(at, line)
    return joiner.spans


def last_start(lines: Sequence[str], begins: Callable[[str], object] | None, limits: WireLimits) -> int:
    """Where the last record begins: what comes next may belong to it. As many as lines: nothing is open."""
    found = spans(lines, begins, limits)
    return found[-1][0] if found else len(lines)


class _Joiner:
    """Takes line after line."""

    def __init__(self, begins: Callable[[str], object] | None, limits: WireLimits) -> None:
        self.spans: list[Span] = []
        self._begins = begins
        self._limits = limits
        self._trace = ""
        self._chars = 0
        self._blank = False

    def add(self, at: int, line: str) -> None:
        """The next line."""
        if not line or line.isspace():
            self._blank = True
            return
        if self.spans and self._belongs(line) and self._fits(at, line):
            self.spans[-1] = (self.spans[-1][0], at)
            self._chars += len(line)
        else:
            self.spans.append((at, at))
            self._chars = len(line)
            self._trace = ""
        self._trace = next(
            (kind for text, kind in _TRACES if line.lstrip(" \t+").startswith(text)), self._trace
        )
        self._blank = False

    def _fits(self, at: int, line: str) -> bool:
        within = at - self.spans[-1][0] < self._limits.record_lines_max
        return within and self._chars + len(line) <= self._limits.record_bytes_max

    def _belongs(self, line: str) -> bool:
        if self._begins is not None and self._begins(line):
            return False
        if self._trace == "apt":
            return not self._blank
        if len(line) > FRAME_CHARS_MAX:
            return self._begins is not None and line[0] in " \t"
        if _INDENTED.match(line):
            if self._begins is None:
                return self._trace in ("python", "group", "go") or _FRAME.match(line) is not None
            return bool(self._trace) or not self._blank
        if _CONTINUES.match(line):
            return True
        if self._trace == "python" and _ERROR.match(line):
            self._trace = "closed"
            return True
        if self._trace == "go" and not self._blank:
            return _GO_FRAME.match(line) is not None
        return self._begins is not None and not self._blank and _ERROR_NAMED.match(line) is not None
