"""Records put together many at a time are those put together alone, and so are their lines."""

import threading
from collections.abc import Mapping
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from benchmarks.redaction_cases import negatives, positives
from tamis.pipeline.assembly import put_together, to_records
from tamis.pipeline.captured import Captured, Code, More, Origin, Raised, to_record
from tamis.pipeline.chain import Chain
from tamis.pipeline.encode import encode_line, encode_lines
from tamis.pipeline.parcel import MSGPACK, Parcel, decode_records, encode_records
from tamis.pipeline.processors.redact import redact_from
from tamis.pipeline.processors.sample import Sample
from tamis.record.attributes import safe_attributes
from tamis.record.context import EMPTY, Context
from tamis.record.model import Record
from tamis.settings.processors import RedactSettings

ORIGIN = Origin("shop", "h1", 12, "0a0b0c0d")
THREADS = ("MainThread", "bob@example.com", "w\ud800", threading.Thread(name="wörker"), None)
TOLD = [case.text for case in (*positives(), *negatives())]

texts = st.one_of(
    st.sampled_from(TOLD),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=12),  # lone surrogates, too
    st.sampled_from(("", "null", "GET", "o-045123 200", "0" * 40)),
)
leaves = st.one_of(
    texts, st.integers(), st.integers(10**11, 10**20), st.floats(), st.booleans(), st.none(), st.binary(max_size=4)
)  # fmt: skip
nested = st.one_of(st.lists(leaves, max_size=3), st.dictionaries(texts, leaves, max_size=3))
names = st.one_of(
    st.sampled_from(
        ("a", "b", "note", "duration_ms", "tokens", "password", "apiKey", "code", "thread", "stack", "exception",
         "process", "process_id", "sequence", "trace_id", "correlation_id", "log.thread", "é", "n" * 600)
    ),
    texts,
)  # fmt: skip
fields = st.dictionaries(names, st.one_of(leaves, leaves, nested), max_size=5).map(
    lambda made: {
        name: safe_attributes({"": value})[""] if isinstance(value, list | dict) else value
        for name, value in made.items()
    }
)
contexts = st.one_of(
    st.just(EMPTY),
    st.builds(
        lambda told, made: Context(told, None, None, safe_attributes(cast("Mapping[object, object]", made))),
        st.none() | texts,
        fields,
    ),
)
mores = st.sampled_from(
    (None, None, More(raised=Raised("E", "bob@example.com", (("f", 1, "g"),))), More(level_name="note"))
)
codes: st.SearchStrategy[Code | None] = st.sampled_from((None, None, ("a.py", 3, "f")))
arguments = st.one_of(st.just(()), st.none(), st.tuples(texts), st.tuples(st.integers(), texts))
captures = st.tuples(
    st.integers(0, 2**62), st.sampled_from((10, 20, 30, 35, 40, 0)), st.sampled_from(("shop", "l\ud800")),
    st.one_of(texts, st.sampled_from(("%s", "%d of %s", "100 %"))), arguments, st.none() | fields, st.none() | fields,
    st.sampled_from(THREADS), contexts, codes, mores,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(cast("st.SearchStrategy[Captured]", captures), min_size=1, max_size=12))
def test_a_batch_gives_the_lines_of_its_records_alone(taken: list[Captured]) -> None:
    """Whatever is in them, secrets too: put together and redacted at once, or each by itself, the bytes are the
    same.
    """
    records, contents = put_together(taken, ORIGIN)
    alone = [to_record(captured, ORIGIN) for captured in taken]
    assert [encode_line(record) for record in records] == [encode_line(record) for record in alone]
    batch = Chain([redact_from(RedactSettings())]).run(records, contents).records
    redact = redact_from(RedactSettings())
    lines = [encode_line(redact.process(record)) for record in alone]
    assert [encode_line(record) for record in batch] == lines
    assert encode_lines(batch) == b"".join(lines)


def plain(number: int, **more: Any) -> Captured:
    """A usual record."""
    return (
        number,
        20,
        "shop",
        "order %d",
        (number,),
        {"order": number, **more},
        None,
        "t",
        EMPTY,
        None,
        None,
    )


def test_contents_say_how_large_records_are() -> None:
    """About: between half and twice of what is written for a spool."""
    records, contents = put_together([plain(n, note="x" * n) for n in range(200)], ORIGIN)
    written = len(encode_records(records)[1])
    assert written / 2 < contents.bytes_of(len(records)) < written * 2


def test_most_records_need_no_look_of_their_own() -> None:
    """What is usual is in the contents; what is not is named, so that somebody looks at it."""
    records, contents = put_together([plain(1), plain(2, note=["x"]), plain(3, trace_id="t")], ORIGIN)
    assert [record for record in records if any(record is other for other in contents.others)] == records[1:]
    assert "order 1" in contents.texts


def test_a_record_keeps_what_is_its_own() -> None:
    """The attributes of one are not those of the next."""
    first, second = to_records([plain(1), plain(1)], ORIGIN)
    first.attributes["sequence"] = 1
    assert "sequence" not in second.attributes


def test_a_parcel_is_written_when_a_spool_asks() -> None:
    """Its size is what was said, and its payload holds the records."""
    records = to_records([plain(1), plain(2)], ORIGIN)
    parcel = Parcel(records, MSGPACK, None, 9, 0.0, about=300)
    assert parcel.bytes == 300
    assert decode_records(parcel.form, parcel.payload) == records


def test_what_another_processor_puts_in_is_looked_for() -> None:
    """Contents are those of before: redaction behind it sees the records themselves, also when it says that it
    only drops by what it inherits.
    """

    class Adding(Sample):
        def process(self, record: Record, /) -> Record:
            return replace(record, message="bob@example.com")

    records, contents = put_together([plain(1)], ORIGIN)
    chain = Chain([Adding({}), redact_from(RedactSettings())])
    assert [record.message for record in chain.run(records, contents).records] == ["***@***.***"]
