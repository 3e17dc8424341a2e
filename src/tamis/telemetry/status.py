"""The status board: what this process is doing now, and what happened of late. Bounded, in memory.

::

    with status.doing("scrub", total=size, unit="bytes") as work:
        for segment in segments:
            ...
            work.advance(segment.size, segment.name)

    status.tell("dropped", "analysis: 3 tasks made room", severity="warning", count=3)
    status.degrade("semantic search", "its model is missing; words are searched instead")
    status.mend("semantic search")
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.telemetry.status_model import Degraded, Fact, Look, Severity, StatusEvent, WorkView
from tamis.telemetry.status_work import Work

Listener = Callable[[WorkView | StatusEvent], None]


@dataclass(frozen=True, slots=True)
class BoardLimits:
    """How much a board holds, and how often it tells its listeners that a work got on."""

    works_max: int = 200
    """Works at a time; one beyond is done unseen, and counted."""
    ended_max: int = 50
    """Works that are over, the newest."""
    events_max: int = 500
    degraded_max: int = 64
    text_max: int = 300
    """Characters of a name, a note, a sentence, a fact; the rest is cut off."""
    facts_max: int = 12
    progress_interval_s: float = 0.2
    """A listener is told of a work's beginning and end, and between them this often at most."""


class StatusBoard:
    """Works, events and what is degraded, each change with a number (`seq`) that grows: who looks with the position
    of the look before gets what changed since. Thread-safe, also from signal handlers; never grows beyond `limits`.

    Listeners are told on the thread where it happened, with no lock held, perhaps by several threads at once: each
    change carries its `seq`. They should be quick; what they raise is counted and goes no further.
    """

    def __init__(self, limits: BoardLimits | None = None, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.limits, self.clock = limits or BoardLimits(), clock
        self._listeners: tuple[Listener, ...] = ()
        self._begin()

    def _begin(self) -> None:
        self.lock = threading.RLock()
        self.id = os.urandom(4).hex()
        """Tells this board's positions from those of another process, and of the one before."""
        self.listener_errors = self.unseen = 0
        """`unseen`: works that there was no room for."""
        self._seq = 1  # so that 0 is before everything, also on a board where nothing happened
        self._number = self._works_begun = self._forgotten_seq = 0
        self._running: dict[int, Work] = {}
        self._ended: deque[Work] = deque()
        self._events: deque[StatusEvent] = deque(maxlen=self.limits.events_max)
        self._degraded: dict[str, Degraded] = {}

    def doing(self, name: str, *, total: float | None = None, unit: str = "", note: str = "") -> Work:
        """A work begins; it ends with its `with` block, or by `end`."""
        with self.lock:
            self._works_begun += 1
            cut = self.cut
            work = Work(self, self._works_begun, name=cut(name), total=total, unit=cut(unit), note=cut(note))
            is_seen = len(self._running) < self.limits.works_max
            if is_seen:
                self._running[work.id] = work
                work.seq = self._next()
            else:
                self.unseen += 1
        if is_seen:
            self.tell_listeners(work.view())
        return work

    def tell(self, kind: str, text: str, *, severity: Severity = "info", **facts: Fact) -> StatusEvent:
        """Something happened: a sentence, its kind in a word, and facts for programs."""
        with self.lock:
            event = self._event(kind, text, severity=severity, facts=facts)
        self.tell_listeners(event)
        return event

    def degrade(self, name: str, text: str) -> None:
        """A part does not do all it should, from now on or still: what is missing, and what works without it.

        It is an event when that is news.
        """
        with self.lock:
            name, text = self.cut(name), self.cut(text)
            before = self._degraded.get(name)
            if before is not None and before.text == text:
                return
            if before is not None or len(self._degraded) < self.limits.degraded_max:
                since_ns = self.clock.now_ns() if before is None else before.since_ns
                self._degraded[name] = Degraded(name=name, text=text, since_ns=since_ns)
            event = self._event("degraded", f"{name}: {text}", severity="warning", facts={"name": name})
        self.tell_listeners(event)

    def mend(self, name: str) -> None:
        """The part is whole again; nothing when it was."""
        with self.lock:
            name = self.cut(name)
            if self._degraded.pop(name, None) is None:
                return
            event = self._event("mended", f"{name} is whole again", severity="info", facts={"name": name})
        self.tell_listeners(event)

    def look(self, after: int = 0) -> Look:
        """What there is that the reader of position `after` has not seen; everything, for 0."""
        with self.lock:
            is_whole = not max(self._forgotten_seq, 1) <= after <= self._seq
            works = [work.view() for work in (*self._ended, *self._running.values())]
            if not is_whole:
                works = [work for work in works if work.seq > after]
            since = after if after <= self._seq else 0
            return Look(
                position=self._seq,
                is_whole=is_whole,
                works=sorted(works, key=lambda work: work.seq),
                events=[event for event in self._events if event.seq > since],
                degraded=list(self._degraded.values()),
            )

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have each change told to `listener`; what comes back ends that."""

        def one(change: WorkView | StatusEvent) -> None:
            listener(change)

        with self.lock:
            self._listeners = (*self._listeners, one)

        def end() -> None:
            with self.lock:
                self._listeners = tuple(other for other in self._listeners if other is not one)

        return end

    def changed(self, work: Work, now_s: float) -> bool:
        """A work of this board got on (called with the lock held); whether listeners are to be told now."""
        if work.id not in self._running:
            return False
        work.seq = self._next()
        if now_s - work.told_s < self.limits.progress_interval_s:
            return False
        work.told_s = now_s
        return bool(self._listeners)

    def ended(self, work: Work) -> bool:
        """A work of this board is over (called with the lock held); whether it was seen here."""
        if self._running.pop(work.id, None) is None:
            return False
        work.seq = self._next()
        self._ended.append(work)
        if len(self._ended) > self.limits.ended_max:
            self._forgotten_seq = max(self._forgotten_seq, self._ended.popleft().seq)
        return True

    def tell_listeners(self, change: WorkView | StatusEvent) -> None:
        """Tell everyone; no lock of this board may be held by the caller."""
        for listener in self._listeners:
            try:
                listener(change)
            except Exception:  # a listener's fault is never the fault of who does the work
                self.listener_errors += 1

    def cut(self, text: str) -> str:
        """A text that is no longer than texts here may be."""
        limit = self.limits.text_max
        return text if len(text) <= limit else text[: limit - 1] + "…"

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _event(self, kind: str, text: str, *, severity: Severity, facts: dict[str, Fact]) -> StatusEvent:
        self._number += 1
        event = StatusEvent(
            seq=self._next(),
            number=self._number,
            at_ns=self.clock.now_ns(),
            kind=self.cut(kind),
            severity=severity,
            text=self.cut(text),
            facts=self._facts(facts),
        )
        self._events.append(event)
        return event

    def _facts(self, facts: dict[str, Fact]) -> dict[str, Fact]:
        kept = list(facts.items())[: self.limits.facts_max]
        return {name: self.cut(fact) if isinstance(fact, str) else fact for name, fact in kept}

    def after_fork(self) -> None:
        """In the child: nothing that the parent does is done here, and its locks would never be free."""
        self._begin()


BOARD = StatusBoard()
"""The board of this process."""
doing, tell, degrade, mend, look, listen = (
    BOARD.doing,
    BOARD.tell,
    BOARD.degrade,
    BOARD.mend,
    BOARD.look,
    BOARD.listen,
)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=BOARD.after_fork)
