"""What the status answers look like: works, events, what is degraded, breakers."""

from typing import Annotated as About

import msgspec
from msgspec import Meta

from tamis.query.times import print_instant
from tamis.resilience.breaker import BreakerMetrics
from tamis.telemetry.status_model import Degraded, Fact, StatusEvent, WorkView


class WorkObject(msgspec.Struct, kw_only=True):
    """Something that is being done, or was of late."""

    id: About[int, Meta(description="The same in each event about it.")]
    name: str
    state: About[str, Meta(description="running, done, failed or stopped.")]
    done: float
    total: About[float | None, Meta(description="How much there is to do; null where nobody knows.")]
    unit: About[str, Meta(description="Of what: bytes, files; empty where it has no name.")]
    note: About[str, Meta(description="What it is at, or how it ended.")]
    started: str
    elapsed_s: float
    rate: About[float | None, Meta(description="Units a second of late.")]
    left_s: About[float | None, Meta(description="Seconds that it still takes at this rate.")]


class EventObject(msgspec.Struct, kw_only=True):
    """Something that happened. A gap between the numbers of two events: those between were not shown."""

    number: int
    at: str
    kind: About[str, Meta(description="breaker, degraded, mended, dropped, …")]
    severity: About[str, Meta(description="info, warning or error.")]
    text: str
    facts: dict[str, Fact]


class DegradedObject(msgspec.Struct, kw_only=True):
    """A part that does not do all it should: what is missing, and what still works."""

    name: str
    text: str
    since: str


class BreakerObject(msgspec.Struct, kw_only=True):
    """A circuit breaker."""

    name: About[str, Meta(description="What it guards.")]
    state: About[str, Meta(description="closed, open, half_open or hard_open.")]
    retry_after_s: About[float | None, Meta(description="When it may be asked again; null: after a reset.")]
    opened: About[int, Meta(description="How often it opened, hard or not.")]
    permitted: int
    refused: About[int, Meta(description="Calls that it did not let through.")]
    successes: int
    failures: int
    rejections: int
    last_failure: About[str, Meta(description="The kind of the last error.")]


class StatusAnswer(msgspec.Struct, kw_only=True):
    """What the server is doing now, and what happened of late."""

    state: About[str, Meta(description="As /readyz says: starting, ready, degraded, stopping or closed.")]
    position: About[str, Meta(description="Where to go on: the Last-Event-ID of the stream.")]
    works: About[list[WorkObject], Meta(description="What is being done, and what ended of late.")]
    events: About[list[EventObject], Meta(description="What happened of late, the oldest first.")]
    degraded: list[DegradedObject]
    breakers: list[BreakerObject]
    warnings: About[list[str], Meta(description="What the reader should know.")] = []


class PartsAnswer(msgspec.Struct, kw_only=True):
    """How the parts stand: told by the stream when it changes."""

    state: str
    degraded: list[DegradedObject]
    breakers: list[BreakerObject]


def work_object(work: WorkView) -> WorkObject:
    """A work as an answer says it."""
    return WorkObject(
        id=work.id,
        name=work.name,
        state=work.state.value,
        done=work.done,
        total=work.total,
        unit=work.unit,
        note=work.note,
        started=print_instant(work.started_ns),
        elapsed_s=work.elapsed_s,
        rate=work.rate,
        left_s=work.left_s,
    )


def event_object(event: StatusEvent) -> EventObject:
    """An event as an answer says it."""
    return EventObject(
        number=event.number,
        at=print_instant(event.at_ns),
        kind=event.kind,
        severity=event.severity,
        text=event.text,
        facts=event.facts,
    )


def degraded_object(one: Degraded) -> DegradedObject:
    """A part that is not whole, as an answer says it."""
    return DegradedObject(name=one.name, text=one.text, since=print_instant(one.since_ns))


def breaker_object(metrics: BreakerMetrics) -> BreakerObject:
    """A breaker as an answer says it."""
    counts, entered = metrics.counts, metrics.entered
    return BreakerObject(
        name=metrics.name,
        state=metrics.state.value,
        retry_after_s=metrics.retry_after_s,
        opened=sum(count for state, count in entered.items() if state.value in ("open", "hard_open")),
        permitted=counts.permitted,
        refused=counts.refused,
        successes=counts.successes,
        failures=counts.failures,
        rejections=counts.rejections,
        last_failure=metrics.last_failure,
    )
