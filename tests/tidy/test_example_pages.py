"""What the pages show of the examples is what runs."""

from pathlib import Path

import pytest

from tests.tidy.sources import ROOT
from tests.tidy.test_examples import fences

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAGES = ROOT / "docs/how-to"


def pages_with(text: str, pages: list[str]) -> list[str]:
    """Pages whose Python is this text, whole."""
    return [page for page in pages if text in fences("python", page)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_a_page_shows_the_example_as_it_is(example: Path) -> None:
    """A change of an example is a change of its page."""
    pages = [path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")]
    assert len(pages_with(example.read_text(encoding="utf-8"), pages)) == 1


def test_the_page_rule_can_fail() -> None:
    """One character is enough."""
    page = "# A\n\n```python\nimport tamis\n```\n"
    assert pages_with("import tamis\n", [page]) == [page]
    assert pages_with("import tamis \n", [page]) == []
