"""The life of a process of the shop: told who it is, it logs through the pipeline until told to end, or alone."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Protocol

import msgspec

from tamis.cli.demo.faults import Fault
from tamis.cli.demo.shop.letters import Account, FaultOff, FaultOn, FromProcess, Ready, Start, Stop, ToProcess
from tamis.cli.demo.shop.world import World, make_world
from tamis.embed.install import get_logger
from tamis.embed.manager import LoggingManager, configure
from tamis.pipeline.dispatcher import Dispatcher
from tamis.record.model import Record

ORPHAN_STOP_S = 2.0
"""How long a process takes for its end when the demonstration is gone."""
_DECODE = msgspec.json.Decoder(ToProcess).decode
_log = get_logger("shop.process")


class Service(Protocol):
    """The work of one process."""

    def run(self) -> None:
        """Work until `stop`."""
        ...

    def stop(self) -> None:
        """End soon; may be called from another thread, and more than once."""
        ...


class Faults:
    """Which faults are on now. Thread-safe: one assignment a change."""

    def __init__(self) -> None:
        self._on: dict[str, Fault] = {}

    def get(self, kind: str) -> Fault | None:
        """The fault of this kind, while it is on."""
        return self._on.get(kind)

    def add(self, fault: Fault) -> None:
        """It begins."""
        self._on = {**self._on, fault.kind: fault}

    def remove(self, kind: str) -> None:
        """It is over."""
        self._on = {name: fault for name, fault in self._on.items() if name != kind}


class Place:
    """What a service gets to work with."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.faults = Faults()
        self.world: World = make_world(start.seed)


Create = Callable[[Place], Service]


def live(create: Create) -> None:
    """Read who this process is, work, end. The whole of a process's main function."""
    start = _DECODE(sys.stdin.buffer.readline())
    assert isinstance(start, Start)
    place, life = Place(start), _Life()
    signal.signal(signal.SIGTERM, life.on_signal)
    manager = configure(
        service=start.name,
        sinks=[start.sink],
        level="DEBUG",
        spool_folder=start.spool,
        processors=[Stamp(start.version)],
    )
    life.service = create(place)
    threading.Thread(target=life.listen, args=(place,), name="letters", daemon=True).start()
    _say_started(start)
    tell(Ready())
    life.service.run()
    _log.info("%s %s stops: %s", start.name, start.version, life.why)
    within_s = life.within_s
    manager.shutdown(within_s)
    tell(account_of(manager))
    with suppress(OSError):
        sys.stdout.close()
    os._exit(0)  # a thread that reads its pipe would hold the interpreter


def _say_started(start: Start) -> None:
    if start.told:
        _log.warning("%s %s started: %s", start.name, start.version, start.told, restarts=start.number)
    else:
        _log.info("%s %s started", start.name, start.version)


class _Life:
    def __init__(self) -> None:
        self.service: Service | None = None
        self.why, self.within_s = "it has nothing more to do", ORPHAN_STOP_S

    def listen(self, place: Place) -> None:
        """Follow what the demonstration says; when it is gone, so is this process."""
        for line in sys.stdin.buffer:
            match _DECODE(line):
                case FaultOn(fault):
                    place.faults.add(fault)
                case FaultOff(kind):
                    place.faults.remove(kind)
                case Stop(why, within_s):
                    self._end(why, within_s)
                    return
        self._end("the demonstration is gone", ORPHAN_STOP_S)

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """SIGTERM from outside."""
        threading.Thread(target=self._end, args=("it was told to", ORPHAN_STOP_S), daemon=True).start()

    def _end(self, why: str, within_s: float) -> None:
        self.why, self.within_s = why, within_s
        last = threading.Timer(2 * within_s + 1, os._exit, (1,))
        last.daemon = True
        last.start()
        assert self.service is not None
        self.service.stop()


class Stamp:
    """A processor: the version of the service in each record."""

    name, reason = "version", ""

    def __init__(self, version: str) -> None:
        self._version = version

    def process(self, record: Record, /) -> Record:
        """The record with its version."""
        return msgspec.structs.replace(record, attributes={**record.attributes, "version": self._version})

    def failed(self, record: Record, /) -> Record:
        """It goes on as it is."""
        return record

    def due(self, _now_ns: int, /) -> tuple[()]:
        """Nothing of its own."""
        return ()


def tell(letter: FromProcess) -> None:
    """Say something to the demonstration, if it is still there."""
    with suppress(OSError, ValueError):
        sys.stdout.buffer.write(msgspec.json.encode(letter) + b"\n")
        sys.stdout.buffer.flush()


def account_of(manager: LoggingManager) -> Account:
    """What became of the records, by the counts of the one sink."""
    pipeline = manager.pipeline
    assert isinstance(pipeline, Dispatcher)
    (counts,) = pipeline.metrics.snapshot().sinks.values()
    return Account(
        sent=counts.sent,
        delivered=counts.delivered,
        spooled=counts.spooled,
        queued=counts.queued,
        dead_lettered=counts.dead_lettered,
        dropped=sum(counts.dropped.values()),
        sampled=counts.suppressed + counts.sampled,
        errors=counts.errors,
    )
