"""What the demonstration and its processes say to each other, a JSON line each, over their pipes."""

import msgspec

from tamis.cli.demo.faults import Fault


class Start(msgspec.Struct, frozen=True, tag="start", kw_only=True):
    """To a process, first: who it is. Its pipe stays open as long as the demonstration lives."""

    name: str
    version: str
    seed: int
    number: int
    """How many of this name there were before: 0 for the first."""
    sink: str
    spool: str
    ports: dict[str, int]
    listener: int | None = None
    """The descriptor of the socket it serves."""
    release: Fault | None = None
    """The fault that this version brings."""
    told: str = ""
    """Why it starts, when it is not the first."""


class FaultOn(msgspec.Struct, frozen=True, tag="on"):
    """To a process: this fault begins."""

    fault: Fault


class FaultOff(msgspec.Struct, frozen=True, tag="off"):
    """To a process: this kind of fault is over."""

    kind: str


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """To a process: end, within so many seconds."""

    why: str
    within_s: float


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """From a process: it works."""


class Account(msgspec.Struct, frozen=True, tag="account", kw_only=True):
    """From a process, last: what became of every record it logged."""

    sent: int
    delivered: int
    spooled: int
    queued: int
    dead_lettered: int
    dropped: int
    sampled: int
    errors: int


ToProcess = Start | FaultOn | FaultOff | Stop
FromProcess = Ready | Account
