"""Where the time goes when a protocol is too slow: its records taken in by one thread, by cProfile."""

import tempfile
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import bulk, protocols, sockets
from benchmarks.asked import open_folder
from benchmarks.generate import write_files
from benchmarks.profiles import Row, profiled

RECORDS = 120_000
BATCHES = 6
BUDGET_BYTES = 1 << 30
PER_BATCH = 20_000
HTTP = {"OTLP, protobuf": "otlp", "Loki, JSON": "loki-json", "Loki, protobuf in snappy": "loki-packed"}


def spent(name: str) -> list[Row]:
    """The functions that took most of the time of a form of `server.lines`."""
    from tamis.server.intake.ingest import Ingester
    from tamis.settings import load_settings
    from tamis.telemetry.metrics import Metrics

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        store = open_folder(folder / "data")
        ingester = Ingester(store, load_settings({}, {}), metrics=Metrics())
        try:
            if name in HTTP:
                return _profiled(_taken(ingester, HTTP[name]))
            if name in bulk.FORMS:
                return _profiled(_bulks(ingester, store, name, folder))
            return _profiled(_messages(ingester, name, folder))
        finally:
            store.close()


def _profiled(take: Callable[[int], object]) -> list[Row]:
    """All batches but the first, which loads what is loaded on first use."""
    take(0)
    return profiled(lambda: [take(at) for at in range(1, BATCHES)], 1)


def _taken(ingester: Any, name: str) -> Callable[[int], object]:
    from tamis.server.intake.ingest import Body
    from tamis.wire.base import WholeBody
    from tamis.wire.loki import decode_json
    from tamis.wire.loki import decode_protobuf as decode_packed
    from tamis.wire.otlp_protobuf import decode_protobuf

    decoders = {"otlp": decode_protobuf, "loki-json": decode_json, "loki-packed": decode_packed}
    bodies = [protocols.PROTOCOLS[name][2](rows) for rows in islice(protocols.rows(), BATCHES)]
    stream = partial(WholeBody, decoders[name])

    def take(at: int) -> None:
        with _claim() as claim:
            ingester.take(Body([bodies[at]], stream=stream), claim)

    return take


def _bulks(ingester: Any, store: Any, name: str, folder: Path) -> Callable[[int], object]:
    from tamis.server.intake.bulk import BulkTaker
    from tamis.server.intake.documents import Documents
    from tamis.server.intake.ingest import Body
    from tamis.telemetry.metrics import Metrics

    taker = BulkTaker(store, ingester, Documents(folder, store, ids_max=1_000_000), Metrics())
    bodies = list(islice(bulk.made(name, _corpus(folder)), BATCHES))

    def take(at: int) -> None:
        with _claim() as claim:
            list(taker.take(Body([bodies[at]]), claim, index="logs-bench-default").answer(_everything()))

    return take


def _everything() -> Any:
    from tamis.wire.bulk_answer import EVERYTHING

    return EVERYTHING


def _messages(ingester: Any, name: str, folder: Path) -> Callable[[int], object]:
    from tamis.server.intake.ingest import Body
    from tamis.wire.arrivals import Arrival
    from tamis.wire.syslog_messages import decode_messages

    made = [sockets.FORMS[name][1](record) for record in sockets.records(_corpus(folder))]
    batches = [made[at : at + PER_BATCH] for at in range(0, BATCHES * PER_BATCH, PER_BATCH)]

    def take(at: int) -> None:
        options = ingester.options(Body([]))
        decoded = decode_messages([Arrival("127.0.0.1", options.now_ns, batches[at])], options)
        ingester.append(decoded.columns)

    return take


def _corpus(folder: Path) -> list[Path]:
    return write_files(folder / "corpus", "some", RECORDS, variant="uniform", files=1)


def _claim() -> Any:
    from tamis.server.intake.limits import BodyBudget
    from tamis.telemetry.metrics import Metrics

    return BodyBudget(BUDGET_BYTES, 1, metrics=Metrics()).enter()
