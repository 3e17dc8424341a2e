"""A data folder as target: the server's own answers."""

from pathlib import Path

from tamis.cli.embedded import open_embedded
from tamis.cli.target import Ask
from tamis.settings import load_settings


def test_answers_say_how_long_they_took(tmp_path: Path) -> None:
    """As those of a server do."""
    target = open_embedded(tmp_path / "data", load_settings({}, {}), create=True)
    try:
        given = [
            target.search(Ask("x"), limit=1),
            target.count(Ask("")),
            target.stats(Ask("| stats count()")),
        ]
    finally:
        target.close()
    assert all(answer["took_ms"] > 0 for answer in given)
