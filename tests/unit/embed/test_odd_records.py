"""What nobody thought of in a record costs neither it nor those beside it."""

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

import pytest

import tamis
from tamis.embed.install import get_logger
from tamis.embed.raised import EXCEPTIONS_MAX, print_raised, reduce_exception
from tamis.pipeline.captured import Raised
from tests.support.logged import WAYS, logged


class Silent:
    """Says nothing of itself."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class Nameless(type):
    """A class of it has no name to tell."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]  # as some proxies do
        raise RuntimeError("no")


class Unnamed(metaclass=Nameless):
    """Neither text nor name."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class Unread(Mapping[str, object]):
    """A mapping that cannot be read."""

    def __getitem__(self, key: str) -> object:
        raise KeyError(key)

    def __iter__(self) -> Any:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


class SlyError(Exception):
    """Its cause is no exception, and its context cannot be asked for."""

    __cause__ = "a text"  # type: ignore[assignment]  # as nobody should

    @property
    def __context__(self) -> Any:  # type: ignore[override]  # as above
        raise RuntimeError("no")


@pytest.mark.parametrize("created", [1_763_719_200_000.0, 1e300, -1e12, math.nan, math.inf, "now", None])
@pytest.mark.parametrize("way", WAYS)
def test_a_time_that_is_none_is_now(way: str, created: Any) -> None:
    """Milliseconds, infinities, texts: the record is kept, and those round it."""
    log = get_logger("odd")
    before_ns = time.time_ns()
    with logged(way) as records:
        log.info("before")
        odd = logging.makeLogRecord({"name": "odd", "levelno": 20, "levelname": "INFO", "msg": "odd"})
        odd.created = created
        log.handle(odd)
        log.info("after")
    assert records.messages == ["before", "odd", "after"]
    assert before_ns - 10**9 < records[1].timestamp < time.time_ns() + 10**9


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"trace_id": 0xABC}, {"trace_id": f"{0xABC:032x}"}),
        ({"span_id": 0xABC}, {"span_id": f"{0xABC:016x}"}),
        ({"correlation_id": 7}, {"correlation_id": "7"}),
        ({"trace_id": -1}, {"trace_id": "-1"}),
        ({"correlation_id": Silent()}, {"correlation_id": "[Silent without text]"}),
        ({"correlation_id": ["password=hunter2Zx9"]}, None),
    ],
)
def test_ids_become_text(given: dict[str, Any], found: dict[str, str] | None) -> None:
    """As OpenTelemetry writes them where they are integers; what may be a password in one is masked."""
    with logged() as records, tamis.context(**given):
        get_logger("odd").info("kept")
    ids = {name: getattr(records[0], name) for name in given}
    assert all(type(value) is str for value in ids.values())
    assert ids == found if found is not None else "hunter2Zx9" not in str(ids)


@pytest.mark.parametrize("way", WAYS)
def test_what_says_nothing_of_itself_is_marked(way: str) -> None:
    """Values, arguments, bound fields, contexts and mappings."""
    log = get_logger("odd")
    with logged(way) as records:
        log.info("value", given=Unnamed())
        log.info("argument %s", Unnamed())
        log.bind(given=Unnamed()).info("bound")
        with tamis.context(given=Unnamed()):
            log.info("context")
        log.info("extra", extra=Unread())
    assert [record.message.split()[0] for record in records] == [
        "value",
        "argument",
        "bound",
        "context",
        "extra",
    ]
    assert all("without text]" in str(record.attributes) + record.message for record in records[:4])


@pytest.mark.parametrize("way", WAYS)
def test_a_sly_exception_is_kept(way: str) -> None:
    """What the interpreter keeps is asked for, not what its class says of that."""
    with logged(way) as records:
        try:
            raise SlyError("boom")
        except SlyError:
            get_logger("odd").exception("caught")
    exception: Any = records[0].attributes["exception"]
    assert (exception["type"].rpartition(".")[2], exception["message"]) == ("SlyError", "boom")
    assert exception["frames"]


def test_groups_within_groups_have_a_bound() -> None:
    """Eight members a level would be millions of exceptions."""
    error: Exception = ValueError("leaf")
    for _ in range(6):
        error = ExceptionGroup("group", [error] * 8)

    def count(raised: Raised) -> int:
        return 1 + sum(map(count, raised.members))

    reduced = reduce_exception(error)
    assert count(reduced) == EXCEPTIONS_MAX
    assert "leaf" in print_raised(reduced)
