"""What every processor promises, held by each of them."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.pipeline.base import Processor
from tamis.pipeline.chain import Chain
from tamis.pipeline.processors import PROCESSORS, create_processors
from tamis.record.model import INSTANT_MAX, Record
from tamis.settings import Settings, load_settings
from tamis.telemetry.diagnostics import Diagnostics
from tests.support.strategies import BASE_NS, records

BOUND = 200
"""Entries that processors with a memory may have here."""


def settings_of(folder: Path, **given: Any) -> Settings:
    """Everything on, and small."""
    keys = {
        "sample.enabled": True,
        "sample.debug": 0.5,
        "sample.seed": 7,
        "sample.messages_max": BOUND,
        "suppress.enabled": True,
        "suppress.entries_max": BOUND,
        "redact.enabled": True,
        "keys.keyring": str(folder / "keys"),
        "keys.file": str(folder / "master.key"),
        "audit.ledger": str(folder / "audit"),
        "audit.heads": str(folder / "heads"),
        "audit.signing_key": str(folder / "audit.key"),
    }
    return load_settings({**keys, **given}, {})


Make = Callable[[], Processor]


@pytest.fixture(params=sorted(PROCESSORS))
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes the processor anew."""
    name: str = request.param
    chosen = settings_of(tmp_path_factory.mktemp("state"), **{"encrypt.enabled": name == "encrypt"})

    def made() -> Processor:
        found = create_processors(chosen, Diagnostics(write=print))
        return next(one for one in found if one.name == name)

    return made


def wild() -> Any:
    """Any record, some with what processors look for."""
    secrets = st.sampled_from(("bob@example.com", "10.0.0.1", "4111111111111111", "password=hunter2"))
    odd = st.dictionaries(
        st.one_of(st.just("password"), st.text(max_size=8)), secrets | st.text(max_size=20), max_size=3
    )
    dirty = st.builds(
        lambda record, text, more: Record(
            timestamp=record.timestamp,
            message=text,
            level=record.level,
            service=record.service,
            attributes={**record.attributes, **more},
        ),
        records(),
        secrets | st.text(max_size=30),
        odd,
    )
    return st.one_of(records(), dirty)


EACH = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_it_is_named_as_in_the_table(make: Make) -> None:
    """Settings, metrics and diagnostics use one word for it."""
    processor = make()
    assert processor.name in PROCESSORS
    assert processor.reason in ("", "sampled", "suppressed")


@EACH
@given(batch=st.lists(wild(), max_size=10))
def test_no_record_is_changed_in_place(make: Make, batch: list[Record]) -> None:
    """Another delivery, or the caller, may hold the same objects."""
    before = copy.deepcopy(batch)
    processor = make()
    for record in batch:
        processor.process(record)
        processor.failed(record)
    processor.due(INSTANT_MAX)
    assert batch == before


@EACH
@given(batch=st.lists(wild(), max_size=10))
def test_what_has_nothing_to_do_stays_the_same_object(make: Make, batch: list[Record]) -> None:
    """A record that equals what it was is not made anew: that must cost nothing."""
    processor = make()
    for record in batch:
        found = processor.process(record)
        assert found is None or found is record or found != record


@EACH
@given(batch=st.lists(wild(), max_size=20))
def test_every_record_is_accounted_for(make: Make, batch: list[Record]) -> None:
    """What goes in comes out, or is counted under the processor's reason; what it makes itself is counted too."""
    processor = make()
    chain = Chain([processor])
    passed, made = chain.run(list(batch)), chain.due(INSTANT_MAX)
    dropped = sum(passed.dropped.values())
    assert len(passed.records) + dropped == len(batch)
    assert set(passed.dropped) <= {processor.reason}
    assert len(made.records) == made.made
    assert passed.errors + made.errors == 0
    stood_for = sum(one.attributes.get("repeat_count", 0) for one in made.records)  # type: ignore[misc]  # ints
    assert processor.reason != "suppressed" or stood_for == dropped
    assert list(processor.due(INSTANT_MAX)) == []


@pytest.mark.parametrize(
    "attributes", [{}, {"x": object()}, None, [1], {"a": {1: 2}}, {"process_id": "no number"}]
)
def test_failed_never_raises(make: Make, attributes: Any) -> None:
    """It is the last resort: whatever the record holds, something goes on, or nothing."""
    record = Record(timestamp=BASE_NS, message="secret", attributes=attributes)
    rest = make().failed(record)
    assert rest is None or rest.timestamp == BASE_NS


@pytest.mark.parametrize("name", ["redact", "encrypt"])
def test_what_could_not_be_looked_at_is_not_sent(name: str, tmp_path: Path) -> None:
    """A record whose attributes break the walk goes on without anything it said, and is not lost."""
    found = create_processors(
        settings_of(tmp_path, **{"encrypt.enabled": name == "encrypt"}), Diagnostics(write=print)
    )
    processor = next(one for one in found if one.name == name)
    attributes: Any = {"a": {1: "hunter2"}}  # a name that is no text
    broken = Record(
        timestamp=BASE_NS, message="hunter2", attributes=attributes, service="shop", trace_id="ab"
    )
    passed = Chain([processor]).run([broken, Record(timestamp=BASE_NS, message="next")])
    assert passed.errors == 1
    assert "hunter2" not in str(passed.records)
    assert [(one.service, one.trace_id) for one in passed.records] == [("shop", "ab"), (None, None)]


def test_memory_is_bounded(make: Make) -> None:
    """A hundred thousand different messages, each twice, leave no more behind than the bound."""
    processor = make()
    chain = Chain([processor])
    sent = 0
    for number in range(0, 20_000, 100):
        batch = [
            Record(
                timestamp=BASE_NS + number,
                message=f"n {number + i}",
                level="DEBUG",
                attributes={f"k{number + i}": "v"},
            )
            for i in range(100)
        ]
        passed = chain.run([*batch, *batch])
        sent += len(passed.records) + sum(passed.dropped.values())
    assert sent == 40_000
    assert held(processor) <= 20_000
    assert len(list(processor.due(INSTANT_MAX))) <= 2 * BOUND


def held(processor: Processor) -> int:
    """Entries of all tables it has, and of its parts."""
    found = 0
    parts: list[object] = [processor]
    while parts:
        for value in vars(parts.pop()).values():
            if isinstance(value, dict | list | set):
                found += len(value)
            elif type(value).__name__ == "Secure":
                parts.append(value)
    return found


def test_after_the_end_it_begins_anew(make: Make) -> None:
    """A chain that is put aside and used again, or is in a forked child, holds nothing of what was before."""
    processor = make()
    record = Record(timestamp=BASE_NS, message="again", level="ERROR")
    processor.process(record)
    processor.process(record)
    processor.due(INSTANT_MAX)
    assert processor.process(record) is record
