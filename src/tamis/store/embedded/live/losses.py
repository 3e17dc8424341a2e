"""What was here and cannot be read: said in every answer that might have held it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tamis.clock import NS_PER_S
from tamis.store.base import LOST, Question
from tamis.store.embedded.format.layout import SEGMENT_SUFFIX
from tamis.store.embedded.format.manifest import Loss, SegmentEntry
from tamis.telemetry import status


def loss_of_segment(entry: SegmentEntry, reason: str, *, found: int) -> Loss:
    """A segment that is set aside."""
    facts = entry.facts
    return Loss(
        path=f"segments/{entry.name}{SEGMENT_SUFFIX}",
        reason=reason,
        found=found,
        records=facts.records,
        min_ts=facts.min_ts,
        max_ts=facts.max_ts,
        min_seq=facts.min_seq,
        max_seq=facts.max_seq,
        segment=entry,
    )


def describe(loss: Loss) -> str:
    """A sentence for people."""
    return f"{loss.path}: {loss.reason}; {_what(loss)} {LOST}"


def _what(loss: Loss) -> str:
    records = "an unknown number of records" if loss.records is None else f"{loss.records:,} records"
    if loss.min_ts is None or loss.max_ts is None:
        return records
    return f"{records} from {_instant(loss.min_ts)} to {_instant(loss.max_ts)}"


def _instant(stamp_ns: int) -> str:
    try:
        return datetime.fromtimestamp(stamp_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{stamp_ns} ns"


def warnings_for(losses: Sequence[Loss], question: Question | None) -> tuple[str, ...]:
    """The losses that an answer to the question might have held."""
    return tuple(describe(loss) for loss in losses if question is None or _concerns(loss, question))


def tell_losses(store_id: str, losses: Sequence[Loss]) -> None:
    """Keep the status board in step with what is lost: answers that would hold it warn, all others are as always."""
    name = f"records of store {store_id}"
    if not losses:
        status.mend(name)
        return
    known = sum(loss.records or 0 for loss in losses)
    more = " and an unknown number more" if any(loss.records is None for loss in losses) else ""
    status.degrade(
        name,
        f"{known:,} records{more} {LOST} ({len(losses):,} files); answers that would hold them say so, everything "
        "else is answered and taken in; `tamis repair` mends",
    )


def _concerns(loss: Loss, question: Question) -> bool:
    if question.as_of is not None and loss.min_seq is not None and loss.min_seq > question.as_of:
        return False
    if question.after_seq is not None and loss.max_seq is not None and loss.max_seq <= question.after_seq:
        return False
    if question.start_ns is not None and loss.max_ts is not None and loss.max_ts < question.start_ns:
        return False
    return not (question.end_ns is not None and loss.min_ts is not None and loss.min_ts >= question.end_ns)
