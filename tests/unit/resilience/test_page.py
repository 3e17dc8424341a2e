"""The page about it is true."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tamis.resilience.limits import BreakerLimits

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/guard-what-may-fail.md"


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    """One after the other, as a reader would type them."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec("\n".join(blocks), {})
    assert capsys.readouterr().out.split() == ["19.0", "47.5"]


def test_the_table_holds_every_setting_with_its_default() -> None:
    """A setting that is added or changed shows here."""
    table = PAGE.read_text(encoding="utf-8").partition("| setting |")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\w.]+) \|", table, re.MULTILINE))
    defaults = {field.name: field.default for field in fields(BreakerLimits)}
    assert rows == {
        name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in defaults.items()
    }
