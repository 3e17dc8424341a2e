"""apt's logs: a run in history.log is one record, its message the whole block; term.log is text with times between."""

import re

from tamis.wire.text import ISO, TextFormat

APT = TextFormat(
    name="apt", patterns=(re.compile(rf"(?:Start-Date|Log started|Log ended): (?P<time>{ISO})"),)
)  # fmt: skip
