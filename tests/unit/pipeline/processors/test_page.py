"""What the page about redaction shows is what happens."""

import re
from pathlib import Path

import pytest

from tamis.pipeline.processors import create_processors
from tamis.pipeline.processors.redact import redact_from
from tamis.settings import RedactSettings, load_settings
from tamis.telemetry.diagnostics import Diagnostics

PAGE = Path(__file__).resolve().parents[4] / "docs/how-to/redact-and-encrypt.md"
ROWS = re.findall(r"^\| `(.*?)` \| `(.*?)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_page_has_examples() -> None:
    """A table that is no longer found would test nothing."""
    assert len(ROWS) >= 10


@pytest.mark.parametrize(("logged", "arrives"), ROWS)
def test_examples_arrive_as_the_page_says(logged: str, arrives: str) -> None:
    """Each row of its table."""
    assert redact_from(RedactSettings()).text(logged) == arrives


def test_settings_of_the_page_make_what_they_say(tmp_path: Path) -> None:
    """Its TOML: own names and patterns, and encryption in place of redaction."""
    redact, encrypt = re.findall(
        r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "a.toml").write_text(redact, encoding="utf-8")
    loaded = load_settings({}, {}, tmp_path / "a.toml")
    found = redact_from(loaded.redact).text("EMP-12345 pin=1234 from 10.0.0.1")
    assert found == "***REDACTED*** pin=***REDACTED*** from 10.0.0.1"
    (tmp_path / "b.toml").write_text(encrypt, encoding="utf-8")
    made = create_processors(load_settings({}, {}, tmp_path / "b.toml"), Diagnostics())
    assert [one.name for one in made] == ["sample", "encrypt"]


def test_expressions_in_the_environment() -> None:
    """One expression as it is, commas and all; several as JSON."""
    name = "TAMIS_REDACT_PATTERNS"
    assert load_settings({}, {name: r"x{1,3}"}).redact.patterns == (r"x{1,3}",)
    assert load_settings({}, {name: r'["a,b", "c"]'}).redact.patterns == ("a,b", "c")
