"""Blocks on their way to a target: counted, waited for, with their file."""

import gzip
from pathlib import Path

import pytest

from tamis.cli.embedded import EmbeddedTarget
from tamis.cli.intake.blocks import Block
from tamis.cli.intake.once import OncePass
from tamis.cli.intake.reading import make_reader
from tamis.cli.intake.sending import PATIENCE_S, REJECTIONS_LISTED_MAX, Sender, Tally
from tamis.cli.target import Ask, Receipt, Refused
from tamis.errors import ConflictError, OverloadedError, TamisError
from tamis.record.model import Columns
from tamis.settings import Settings
from tamis.store.memory import MemoryStore
from tamis.wire.base import DecodeOptions


class Hands:
    """A clock whose sleeps take no time."""

    now_s = 0.0

    def now_ns(self) -> int:
        return 1_790_000_000_000_000_000

    def monotonic_s(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Moody(EmbeddedTarget):
    """A target that raises what it is told to, before it takes anything; and can refuse records."""

    def __init__(self) -> None:
        super().__init__("memory", MemoryStore(), Settings())
        self.errors: list[TamisError] = []
        self.refuses = 0

    def append(self, batch: Columns, key: str) -> Receipt:
        if self.errors:
            raise self.errors.pop(0)
        made = super().append(batch, key)
        refused = [Refused(at + 1, "too long") for at in range(self.refuses)]
        return Receipt(made.received, made.stored - self.refuses, refused, self.refuses)


@pytest.fixture
def target() -> Moody:
    return Moody()


def sent(target: Moody, text: bytes, file_format: str = "auto") -> tuple[Tally, Hands]:
    """What became of a text, and the clock afterwards."""
    clock, tally = Hands(), Tally()
    sender = Sender(target, DecodeOptions(host="here"), tally, clock)
    reader = make_reader(file_format, text, "app.log")
    block = Block(text, 0, len(text), 11)
    sender.send(block, sender.decode(block, reader, path="app.log", service="app"), path="app.log", key="k")
    return tally, clock


def test_push_back_is_waited_for(target: Moody) -> None:
    """A target that is behind gets its time; the records are stored once."""
    target.errors = [OverloadedError("memory is full", 2.0)] * 3
    tally, clock = sent(target, b"one\ntwo\n")
    assert (tally.stored, clock.now_s) == (2, 6.0)


def test_push_back_without_end_is_told(target: Moody) -> None:
    """After ten minutes the command says so instead of hanging."""
    target.errors = [OverloadedError("memory is full", 30.0)] * 100
    with pytest.raises(OverloadedError):
        sent(target, b"one\n")
    assert len(target.errors) >= 100 - PATIENCE_S / 30 - 1


def test_a_key_that_is_known_with_other_content_is_stored(target: Moody) -> None:
    """The same bytes, read under other settings the first time: they count as stored, not twice."""
    target.errors = [ConflictError("another body")]
    tally, _ = sent(target, b"one\ntwo\n")
    assert (tally.received, tally.stored, tally.rejected) == (2, 2, 0)


def test_every_record_is_counted(target: Moody) -> None:
    """received = stored + rejected, whoever rejected; the first rejections name file and line."""
    target.refuses = 1
    lines = b'{"message": "a"}\nnot json\n{"message": "b"}\n' + b"7\n" * 50
    tally, _ = sent(target, lines, "jsonlines")
    assert tally.received == tally.stored + tally.rejected == 53
    assert tally.stored == 1
    assert len(tally.rejections) == REJECTIONS_LISTED_MAX
    assert tally.rejections[0].startswith("app.log:12: not JSON")
    assert tally.line() == "received 53, stored 1, rejected 52"


def test_records_have_their_file_service_and_host(target: Moody) -> None:
    """What a record says of itself stays; what it does not say comes from where it was read."""
    sent(target, b'{"message": "a"}\n{"message": "b", "service": "own", "host": "there", "file": "mine"}\n')
    records = target.search(Ask(), limit=10, order="asc")["records"]
    assert [(one["service"], one["host"], one["attributes"]) for one in records] == [
        ("app", "here", {"file": "app.log"}),
        ("own", "there", {"file": "mine"}),
    ]


def test_a_damaged_file_gives_what_is_whole(target: Moody, tmp_path: Path) -> None:
    """The lines before the damage are stored, then the damage is told."""

    text = "".join(f"line {at}\n" for at in range(200_000)).encode()
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(text)[:-2_000])
    tally = Tally()
    sender = Sender(target, DecodeOptions(), tally)
    with pytest.raises(TamisError, match="gzip"), OncePass(sender, "auto", lambda: None) as once:
        once.read_path(tmp_path / "a.log.gz", "a")
    assert tally.received == tally.stored > 100_000
    assert target.search(Ask("0"), limit=1)["records"][0]["message"] == "line 0"


def test_a_large_document_is_stored_whole_in_parts() -> None:
    """An array of several MB over many lines: every record is stored, none twice when it is sent again."""
    text = (
        b"[\n" + b",\n".join(b' {"message": "m%d %s"}' % (n, b"x" * 1_000) for n in range(6_000)) + b"\n]\n"
    )
    store = MemoryStore()
    target = EmbeddedTarget("memory", store, Settings())
    reader = make_reader("auto", text[:60_000], "events.json")
    assert reader.document
    block = Block(text, 0, len(text), 1)
    for _ in range(2):
        tally = Tally()
        sender = Sender(target, DecodeOptions(), tally, Hands())
        decoded = sender.decode(block, reader, path="events.json", service=None)
        sender.send(block, decoded, path="events.json", key="k")
        assert tally.line() == "received 6,000, stored 6,000, rejected 0"
    assert target.count(Ask())["count"] == 6_000
