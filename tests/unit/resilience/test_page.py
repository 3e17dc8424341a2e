"""The page about it is true."""

import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest

from tamis.resilience.limits import BreakerLimits
from tamis.telemetry.status import BOARD

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/guard-what-may-fail.md"


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, as a reader would type them."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec("\n".join(blocks), {})
    assert capsys.readouterr().out.split() == ["19.0", "47.5"]


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("fall-back-to-another-engine", "gpu False None\ngpu False\n"),
        ("see-what-the-server-does", "['import'] 3\n"),
    ],
)
def test_the_examples_of_other_pages_run(page: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The last block, with what its comments say."""
    BOARD.after_fork()
    text = PAGE.with_name(f"{page}.md").read_text(encoding="utf-8")
    exec(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[-1], {})
    assert capsys.readouterr().out == said


def test_the_example_falls_back_and_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    """Three calls that fail, two that are not tried, and the primary again."""
    runpy.run_path(str(PAGE.parents[2] / "examples/fallback.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "remote: 0.75",
        "local: 0.00, fallback mode: True",
        "remote: 0.75",
        "primary: 5 calls, 3 failures",
        "fallback: 5 calls, 0 failures",
    ]


def test_the_table_holds_every_setting_with_its_default() -> None:
    """A setting that is added or changed shows here."""
    table = PAGE.read_text(encoding="utf-8").partition("| setting |")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\w.]+) \|", table, re.MULTILINE))
    defaults = {field.name: field.default for field in fields(BreakerLimits)}
    assert rows == {
        name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in defaults.items()
    }
