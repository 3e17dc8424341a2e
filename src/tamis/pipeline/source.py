"""A line of source code as it may be shown: what is sensitive in its texts is masked."""

import linecache
from functools import lru_cache

_LINES_MAX = 1_024


@lru_cache(maxsize=_LINES_MAX)
def source_line(file: str, line: int) -> str:
    """The line, when its file can be read here. Passwords that somebody wrote into the code are masked; names,
    calls and whatever else stands outside of quotes stays, for it says what happened and holds nothing.
    """
    text = linecache.getline(file, line).strip()
    if not text:
        return ""
    from tamis.pipeline.processors.patterns import PATTERNS
    from tamis.pipeline.processors.patterns.detect import Detector

    parts, at = [], 0
    for _, (start, end) in Detector(PATTERNS).kinds(text):
        before = text[:start]
        if (before.count('"') + before.count("'")) % 2 or "#" in before:
            parts += [text[at:start], "***"]
            at = end
    return "".join((*parts, text[at:]))
