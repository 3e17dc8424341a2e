"""The two seams of the pipeline: a Processor changes records on their way, a Sink receives batches.

Everything between (queues, breaker, retry, spool, counting) is the pipeline's own and knows no member.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tamis.record.model import Record


class Processor(Protocol):
    """One step of the chain. Runs on one worker at a time, so it may keep state without locks.

    A record is never changed in place, nor its attributes: return another (`msgspec.structs.replace`), or the
    same one when there is nothing to do, which must be cheap. May raise: the chain catches it, keeps the
    record as its processor's `failed` says, and counts an error.
    """

    name: str
    """One word, as in the settings and in metrics."""
    reason: str
    """Under which reason the records it drops are counted: ``sampled``, ``suppressed``…; "" drops none."""

    def process(self, record: Record, /) -> Record | None:
        """The record to go on with; None drops it."""
        ...

    def failed(self, record: Record, /) -> Record | None:
        """What goes on instead when `process` raised: the record itself where the step is a convenience; a
        record without what could not be looked at where the step keeps secrets. Never raises.
        """
        ...

    def due(self, now_ns: int, /) -> Sequence[Record]:
        """Records of its own that are to be sent now (a repeat with its `repeat_count`); called now and
        then, and with the largest instant at the end. They pass the steps after this one.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """When waiting records are sent: at so many, so many bytes (about), so old, or at once when one has
    `urgent_severity` (`record.severity.severity`) or more.
    """

    records: int = 100
    bytes: int = 1 << 20
    wait_s: float = 10.0
    urgent_severity: int = 17


AT_ONCE = BatchLimits(records=2_000, bytes=4 << 20, wait_s=0.0)
"""For sinks on this machine: whatever is there is written when the worker comes round."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that travel together to one sink.

    `id` is the same for every try, also from the spool after a crash: a sink whose other side knows batch ids
    sends it along, so that nothing is stored twice. Another set of records has another id.
    """

    id: str
    records: tuple[Record, ...]
    lines: tuple[bytes, ...] | None = field(default=None, compare=False, repr=False)
    """The records as `encode.encode_lines` makes them, in pieces, where somebody has done it already."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record its receiver will never take, and why: it goes to the dead-letter journal."""

    record: Record
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch that the other side answered for: each record is delivered, or stands in `retry`
    (to be sent again after `retry_after_s`, in a batch of their own) or in `rejected`.
    """

    retry: tuple[Record, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    retry_after_s: float | None = None
    sent_bytes: int = field(default=0, compare=False)
    """As they went over the wire or into the file, compressed where they were."""


DELIVERED = Outcome()


class Sink(Protocol):
    """Where records go. `send` runs on one thread at a time, not always the same one; `close` may come from
    another. A sink starts no thread, keeps no queue, retries nothing and logs nothing: all that is round it.
    """

    name: str
    """Its family and where it goes, without secrets: ``tamis http://127.0.0.1:4817``; unique in a process."""
    limits: BatchLimits
    spooled: bool
    """Whether what waits for it stands in the spool (network sinks: True; files and terminals: False)."""

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        """Deliver, within `timeout_s` or so.

        Raises `SinkUnavailableError` when the whole batch may be sent again later (nobody knows whether it
        arrived), `BatchTooLargeError` when it should come in halves (a single record: the sink has cut it
        already, or rejects it), and nothing else on purpose; whatever else it raises counts as unavailable.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files. Idempotent; `send` may follow it and opens them again."""
        ...
