"""How the pipeline is, for people and for probes."""

from dataclasses import dataclass

from tamis.pipeline.delivery.delivery import DeliveryHealth
from tamis.pipeline.worker import Worker

STUCK_S = 5.0
"""A worker that has not come round for so long is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the pipeline is. `is_well` is False when the worker should run and does not, or has not come round for
    5 s, or a sink is in trouble; `last_progress_s` is seconds since the worker last came round.
    """

    is_well: bool
    worker_alive: bool
    last_progress_s: float | None
    restarts: int
    queue_records: int
    sinks: tuple[DeliveryHealth, ...]


def health_of(
    worker: Worker,
    now_s: float,
    *,
    sinks: tuple[DeliveryHealth, ...],
    queued: int,
    restarts: int,
    closed: bool,
) -> Health:
    """What to say of a worker and its sinks."""
    last_s = worker.last_turn_s
    age_s = None if last_s is None else max(now_s - last_s, 0.0)
    is_stuck = age_s is not None and not closed and (not worker.is_alive or age_s > STUCK_S)
    return Health(
        is_well=not is_stuck and all(sink.is_well for sink in sinks),
        worker_alive=worker.is_alive,
        last_progress_s=age_s,
        restarts=restarts,
        queue_records=queued,
        sinks=sinks,
    )
