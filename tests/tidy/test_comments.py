"""Comments promise nothing for later, and say why a tool is told to look away."""

import io
import re
import tokenize
from collections.abc import Iterator

from tests.tidy.sources import Source, python_sources, source

LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
IGNORE = re.compile(r"type:\s*ignore(?:\[[^\]]*\])?(?P<reason>.*)")
NOQA = re.compile(r"noqa(?::\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*)?(?P<reason>.*)")
BANNER = re.compile(r"^#\s*[-=#*~]{4,}")


def comments(item: Source) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(item.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _is_known(item: Source, comment: str) -> bool:
    """In tests, where values are wrong on purpose, the code of what is ignored says enough."""
    return item.path.parts[0] == "tests" and ("[" in comment or "noqa: " in comment)


def wrong_comments(item: Source) -> Iterator[str]:
    for line, comment in comments(item):
        if LATER.search(comment):
            yield f"{item.path}:{line}: do it now or file it"
        if BANNER.match(comment):
            yield f"{item.path}:{line}: no banners"
        for marker in (IGNORE, NOQA):
            match = marker.search(comment)
            if match and not re.search(r"\w", match["reason"]) and not _is_known(item, comment):
                yield f"{item.path}:{line}: {comment} needs its reason on the line"


def test_comments_are_in_order() -> None:
    """Nothing is put off, and each ignore carries its reason on its line."""
    assert [wrong for item in python_sources() for wrong in wrong_comments(item)] == []


def test_the_rule_can_fail() -> None:
    """Each kind is seen; a reason is enough."""
    for comment in (
        "# " + "TODO later",
        "# type: " + "ignore",
        "# type: " + "ignore[arg-type]",
        "# no" + "qa",
        "# no" + "qa: S603, S607",
        "# -----",
    ):
        assert list(wrong_comments(source(f"x = 1  {comment}\n"))), comment
    assert list(wrong_comments(source("x = 1  # type: " + "ignore\n", "tests/unit/test_x.py")))
    assert not list(wrong_comments(source("x = 1  # type: " + "ignore[misc]\n", "tests/unit/test_x.py")))
    assert not list(wrong_comments(source("x = 1  # type: " + "ignore[arg-type]  # the stub is wrong\n")))
    assert not list(wrong_comments(source("x = 1  # no" + "qa: S603 -- our own command\n")))
