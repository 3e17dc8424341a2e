"""Loggers called in ways that nobody meant: the record is kept all the same."""

from typing import Any

import pytest

from tamis.embed.install import get_logger
from tamis.embed.outlet import OUTLET
from tests.support.logged import WAYS, logged

pytestmark = pytest.mark.parametrize("way", WAYS)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"extra": [1]}, {"extra": [1]}),
        ({"extra": 7, "order": 1}, {"extra": 7, "order": 1}),
        ({"stacklevel": "2", "order": 1}, {"order": 1}),
        ({"exc_info": "yes", "order": 1}, {"order": 1}),
    ],
)
def test_options_that_cannot_be_used_cost_no_record(
    way: str, given: dict[str, Any], found: dict[str, object]
) -> None:
    """What was meant as an option and cannot be one is a field, or nothing."""
    with logged(way) as records:
        get_logger("misused").info("kept", **given)
    assert records.messages == ["kept"]
    assert records[0].attributes.items() >= found.items()


def test_any_name_may_be_bound(way: str) -> None:
    """Also those that Python uses itself."""
    with logged(way) as records:
        get_logger("bound").bind(self=1, fields=2).info("kept")
    assert records[0].attributes.items() >= {"self": 1, "fields": 2}.items()


def test_the_old_name_of_warning_tells_where_it_was_called(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a place within `logging`; it warns, as there."""
    monkeypatch.setattr(OUTLET, "code_level", 30)
    with logged(way) as records, pytest.warns(DeprecationWarning, match="warning"):
        get_logger("old").warn("kept")
    code: Any = records[0].attributes["code"]
    assert (records[0].level, code["file"]) == ("WARNING", __file__)
