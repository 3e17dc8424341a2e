"""What the status board shows: works, events and what is degraded, as they were at one moment."""

from enum import StrEnum
from typing import Literal

import msgspec

Severity = Literal["info", "warning", "error"]
Fact = str | int | float | bool | None


class WorkState(StrEnum):
    """How a work stands: it goes on, or how it ended."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """It was cancelled or given up: neither done nor wrong."""


class WorkView(msgspec.Struct, frozen=True, kw_only=True):
    """A work at one moment: a scrub, a backup, a download. `seq` is the board's count when it last changed."""

    id: int
    seq: int
    name: str
    state: WorkState
    done: float
    total: float | None
    """None where nobody knows how much there is."""
    unit: str
    note: str
    started_ns: int
    elapsed_s: float
    rate: float | None
    """Units a second of late; after the end, over the whole. None while there is nothing to go by."""
    left_s: float | None
    """Seconds that it still takes at this rate."""


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. `number` counts events without gaps: a reader sees by it what it was not shown."""

    seq: int
    number: int
    at_ns: int
    kind: str
    severity: Severity
    text: str
    facts: dict[str, Fact]


class Degraded(msgspec.Struct, frozen=True, kw_only=True):
    """A part that does not do all it should: what is missing, and what still works."""

    name: str
    text: str
    since_ns: int


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at the board found; `position` is where to go on after.

    `is_whole`: `works` and `degraded` are all there are, in the place of what the reader knew; else they are what
    changed (`degraded` is always all of it). `events` are those after the reader's position that are still kept.
    """

    position: int
    is_whole: bool
    works: list[WorkView]
    events: list[StatusEvent]
    degraded: list[Degraded]
