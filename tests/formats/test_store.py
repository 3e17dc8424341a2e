"""Every format of the store that was ever written is read, with the same answers, and can be brought up to date."""

import shutil
from pathlib import Path

import duckdb
import msgspec
import pytest

from tamis.errors import FormatError
from tamis.query.ast import Phrase
from tamis.query.parser import parse
from tamis.query.resolve import resolve
from tamis.store.base import Budget, Question, Store
from tamis.store.embedded.format.manifest import FORMAT
from tamis.store.embedded.recovery.upgrade import upgrade
from tamis.store.embedded.recovery.verify import verify
from tamis.store.embedded.store import open_store
from tamis.store.memory import MemoryStore
from tests.formats.write_store import WRITERS, batch, record
from tests.support.embedded import HandClock, everything, open_quiet, quiet

HERE = Path(__file__).parent
VERSIONS = list(WRITERS)
QUERIES = [
    "",
    "placed",
    'message:"order 7"',
    "oldu",
    "mixed:1",
    "mixed:=a",
    "mixed:*",
    "mixed>2",
    "http.status>=203",
    "level>=warning service:shop",
    "trace_id:0000000000000000000000000000002a",
    "message:/#[0-2]$/ NOT host:*",
]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def golden(version: str, tmp_path: Path) -> Path:
    """A copy of the golden folder, with the empty folders that are not committed."""
    return Path(shutil.copytree(HERE / version, tmp_path / "data"))


def reference(version: str) -> MemoryStore:
    """The same records in the reference store."""
    store = MemoryStore(HandClock())
    for number in range(3):
        store.append(batch(number * 20, 20))
    if version != "v1":
        store.delete(Question(Phrase("message", "café")), Budget())
    store.append(batch(60, 15))
    store.append(batch(75, 5))
    return store


def answers(store: Store) -> list[object]:
    """What a store says to some questions, but for instants of receipt."""
    said: list[object] = []
    for text in QUERIES:
        question = Question(resolve(parse(text), HandClock().now).filter)
        page = store.search(question, Budget(), limit=1_000)
        said.append((text, [(one.seq, one.record) for one in page.records]))
        said.append(store.count(question, Budget()).count)
        said.append(store.facets(question, Budget(), field="mixed", limit=50).values)
        said.append(
            [(p.template, p.count, p.levels, p.services) for p in store.patterns(question, Budget()).patterns]
        )
    return said


def test_a_golden_folder_is_read_with_the_answers_of_the_reference(golden, version):
    """Without being upgraded; records that are sealed, merged, deleted, or only in the journal."""
    store = open_quiet(golden)
    assert store.health().problems == ()
    assert answers(store) == answers(reference(version))
    for stored in everything(store):
        assert stored.record == record(stored.seq - 1)
    store.close()


def test_batch_ids_of_a_golden_folder_are_known(golden):
    """From segments, journal, or where that version kept them."""
    store = open_quiet(golden)
    for number in range(4):
        known = store.find_batch(f"batch-{number}")
        assert known is not None
        assert (known.first_seq, known.receipt) == (number * 20 + 1, b"receipt %d" % number)
    store.close()


def test_a_golden_folder_is_whole(version):
    """Verify reads every version, and changes nothing."""
    before = {path: path.read_bytes() for path in (HERE / version).rglob("*") if path.is_file()}
    report = verify(HERE / version)
    assert (report.findings, report.notes) == ((), ())
    assert before == {path: path.read_bytes() for path in (HERE / version).rglob("*") if path.is_file()}


def test_a_golden_folder_can_be_brought_up_to_date(golden, version):
    """`upgrade` writes today's format, with the same answers and batch ids; doing it again does nothing."""
    said = answers(reference(version))
    done = []
    result = upgrade(golden, clock=HandClock(), progress=lambda place, total: done.append((place, total)))
    assert (result.before, result.after) == (int(version[1:]), FORMAT)
    assert result.segments == (3 if version == "v1" else 0)
    assert done[-1] == (result.segments, result.segments)
    assert msgspec.json.decode((golden / "manifest.json").read_bytes())["format"] == FORMAT
    assert verify(golden).is_whole
    store = open_quiet(golden)
    assert answers(store) == said
    assert {entry.format for entry in store.parts.shop.catalog.manifest.segments} == {FORMAT}
    assert store.find_batch("batch-1") is not None
    store.close()
    assert upgrade(golden, clock=HandClock()).segments == 0


def test_a_newer_format_is_refused_with_a_sentence(golden):
    """An older release never touches what it does not understand."""
    manifest = golden / "manifest.json"
    manifest.write_bytes(msgspec.json.encode({"format": FORMAT + 1, "manifest": {}}))
    before = sorted(path.name for path in golden.rglob("*"))
    with pytest.raises(FormatError, match="newer release"):
        open_store(golden, quiet())
    assert sorted(path.name for path in golden.rglob("*") if path.name != "lock") == before


def test_segments_can_be_read_by_any_tool(golden):
    """A promise: DuckDB by itself, without Tamis, reads every record that is in a segment."""
    files = f"{golden}/segments/*/*.parquet"
    found = duckdb.connect().execute(
        f"SELECT seq, message, level, \"n#i\" AS n FROM read_parquet('{files}', union_by_name=true)"
    )
    rows = found.fetchall()
    assert len(rows) == 60
    for seq, message, level, number in rows:
        assert (message, level, number) == (record(seq - 1).message, record(seq - 1).level, seq - 1)
