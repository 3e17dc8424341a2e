"""How a store is, from what it knows without waiting."""

from typing import Any, Literal

from tamis.store.base import StoreHealth
from tamis.store.embedded.live.losses import describe
from tamis.store.embedded.parts import StoreParts

State = Literal["ready", "degraded", "closed"]


def health_of(parts: StoreParts) -> StoreHealth:
    """State, problems and figures. Notes of what the last start found and mended make nothing degraded."""
    manifest, hot = parts.shop.catalog.manifest, parts.shop.catalog.hot
    closed = parts.committer.closed_because
    lost = tuple(describe(loss) for loss in manifest.losses)
    stopped = (f"the store takes nothing more: {closed}",) if closed is not None else ()
    full = parts.admission.full
    failing = (
        *([full] if full else ()),
        *parts.upkeep.problems,
        *(job.problem for job in parts.mending.jobs if job.problem),
    )
    state: State = "closed" if closed is not None else "degraded" if lost or failing else "ready"
    on_disk = sum(entry.bytes + entry.tally_bytes for entry in manifest.segments)
    return StoreHealth(
        state,
        (*stopped, *failing, *lost, *parts.notes),
        records=sum(entry.facts.records for entry in manifest.segments) + hot.records,
        bytes_on_disk=on_disk + parts.journals.bytes,
        facts=_facts(parts),
    )


def _facts(parts: StoreParts) -> dict[str, Any]:
    manifest, hot = parts.shop.catalog.manifest, parts.shop.catalog.hot
    return {
        "last_seq": hot.last_seq,
        "hot_records": hot.records,
        "hot_bytes": hot.memory_bytes,
        "in_flight_bytes": parts.admission.in_flight_bytes,
        "refused_batches": parts.admission.refused,
        "journal_bytes": parts.journals.bytes,
        "journal_files": parts.journals.file_count,
        "commit_groups": parts.committer.groups,
        "segments": len(manifest.segments),
        "sealed_through": manifest.sealed_through,
        "deletions": len(manifest.tombstones),
        "lost_segments": sum(loss.segment is not None for loss in manifest.losses),
        "lost_records": sum(loss.records or 0 for loss in manifest.losses),
        "scrub_rounds": parts.upkeep.scrubber.rounds,
        "scrubbed_bytes": parts.upkeep.scrubber.bytes,
        "batch_ids": len(parts.batches),
        "expired_records": parts.upkeep.expired_records,
        "files_waiting": parts.shop.catalog.retired,
        "shape_fallbacks": parts.shop.engine.decider.fallbacks,
    }
