"""Writes the golden folders of the store: `python -m tests.formats.write_store VERSION FOLDER`.

The one of a version is written once, when the version is new, and committed; it is never written again. The writer
of version 1 lives on only here.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec

from tamis.clock import NS_PER_S
from tamis.disk.real import RealDisk
from tamis.query.ast import Phrase
from tamis.record.attributes import Value
from tamis.record.model import Columns, Record
from tamis.store.base import Budget, Question
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest_file import read_manifest
from tamis.store.embedded.format.segment_files import remembered
from tamis.store.embedded.options import RetentionRule
from tamis.store.embedded.store import EmbeddedStore
from tests.support.embedded import HandClock, open_quiet

MIXED: list[Value] = [1, "a", 2.5, True, 2**70, {"deep": {"er": [1, 2.5, "x"]}}, [1, "b"], -(2**63), "", "1"]
TEXTS = [
    "order 7 placed",
    "İstanbul'da ΣΑΣ oldu",
    "naïve café \U0001f600",
    "",
    "user=42 took 13ms",
    "tab\tand\nline",
]
LEVELS = ["INFO", "DEBUG", "ERROR", None, "WARNING", "NOTICE"]


def record(number: int) -> Record:
    """Record number n of the golden folder."""
    attributes: dict[str, Value] = {"n": number, "mixed": MIXED[number % len(MIXED)]}
    if number % 3 == 0:
        attributes["http.status"] = 200 + number % 5
    return Record(
        timestamp=1_763_700_000 * NS_PER_S + number * 7_777_777,
        message=f"{TEXTS[number % len(TEXTS)]} #{number // 10}",
        level=LEVELS[number % len(LEVELS)],
        service=["shop", "db"][number % 2],
        host=None if number % 4 else "web-1",
        trace_id=f"{number:032x}" if number % 2 else None,
        attributes=attributes,
    )


def batch(first: int, count: int) -> Columns:
    """Some records."""
    return Columns.of(record(number) for number in range(first, first + count))


def write_current(folder: Path) -> None:
    """Segments of two classes, a merged one, a deletion that is not erased, batches in the journal."""
    store = open_quiet(
        folder,
        clock=HandClock(),
        merge_count=2,
        rules=(RetentionRule("level:debug", Phrase("level", "debug"), 3e9),),
    )
    for number in range(3):
        store.append(batch(number * 20, 20), batch_id=f"batch-{number}", receipt=b"receipt %d" % number)
        store.seal_now()
    store.merge_now()
    store.delete(Question(Phrase("message", "café")), Budget())
    store.append(batch(60, 15), batch_id="batch-3", receipt=b"receipt 3")
    store.append(batch(75, 5))
    let_go(store)


def let_go(store: EmbeddedStore) -> None:
    """As a killed process does."""
    store.parts.shop.engine.close()
    store.parts.lock.release()
    (store.parts.shop.layout.folder / "lock").unlink()


def write_v1(folder: Path) -> None:
    """The same without the deletion, with the manifest of version 1."""
    store = open_quiet(folder, clock=HandClock(), merge_count=2)
    for number in range(3):
        store.append(batch(number * 20, 20), batch_id=f"batch-{number}", receipt=b"receipt %d" % number)
        store.seal_now()
    store.append(batch(60, 15), batch_id="batch-3", receipt=b"receipt 3")
    store.append(batch(75, 5))
    let_go(store)
    as_v1(folder)


def as_v1(folder: Path) -> None:
    """Turn a folder of version 2 without deletions into one of version 1."""
    layout = Layout(folder)
    manifest = read_manifest(RealDisk(), layout).manifest
    batches = remembered(layout, manifest.segments, oldest_ns=0)
    segments = [
        {
            "name": entry.name,
            "bytes": entry.bytes,
            "sha256": entry.sha256,
            "tally_bytes": entry.tally_bytes,
            "facts": entry.facts,
            "retention": entry.retention,
        }
        for entry in manifest.segments
    ]
    old: dict[str, Any] = {
        "format": 1,
        "store_id": manifest.store_id,
        "created": manifest.created,
        "generation": manifest.generation,
        "sealed_through": manifest.sealed_through,
        "segment_next": manifest.segment_next,
        "segments": segments,
        "batches": batches,
    }
    layout.manifest.write_bytes(msgspec.json.encode(old, order="deterministic"))
    layout.manifest_copy.unlink()


WRITERS = {"v1": write_v1, "v2": write_current}

if __name__ == "__main__":
    shutil.rmtree(sys.argv[2], ignore_errors=True)
    WRITERS[sys.argv[1]](Path(sys.argv[2]))
