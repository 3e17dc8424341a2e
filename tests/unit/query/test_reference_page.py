"""The page about the language: what it shows can be written."""

import re
from pathlib import Path

import pytest

from tamis.query.limits import QueryLimits
from tamis.query.parser import parse
from tamis.query.regex import PATTERN_CHARS_MAX

PAGE = (Path(__file__).parents[3] / "docs/reference/query-language.md").read_text(encoding="utf-8")
CONDITIONS, _, STAGES = PAGE.partition("## Stages")
FIRST_CELL = re.compile(r"^\| ((?:`[^`]+`(?:, | … )?)+) \|", re.MULTILINE)


def examples(text: str) -> list[str]:
    """What stands in the first cells of tables."""
    cells = [code for cell in FIRST_CELL.findall(text) for code in re.findall("`([^`]+)`", cell)]
    return [code for code in cells if not re.fullmatch(r"[<>=]+|\w+_max", code)]


@pytest.mark.parametrize("text", examples(CONDITIONS))
def test_conditions_on_the_page_parse(text: str) -> None:
    """Each one is a query."""
    parse(text)


@pytest.mark.parametrize("text", examples(STAGES))
def test_stages_on_the_page_parse(text: str) -> None:
    """Each one is a stage, or an aggregate of stats."""
    stage = text if re.match("(stats|patterns|sort|limit|fields)", text) else f"stats {text}"
    parse(f"* | {stage}")


@pytest.mark.parametrize("text", re.search(r"```\n(.*?)```", PAGE, re.DOTALL)[1].splitlines())  # type: ignore[index]
def test_whole_queries_on_the_page_parse(text: str) -> None:
    """The first ones a reader sees."""
    parse(text)


def test_limits_on_the_page_are_those_of_the_parser() -> None:
    """Names and defaults."""
    limits = QueryLimits()
    for name in QueryLimits.__dataclass_fields__:
        assert re.search(rf"`{name}` \|[^|]*{getattr(limits, name):,}\b", PAGE), name
    assert f"at most {PATTERN_CHARS_MAX:,} characters" in PAGE
