"""The pump: from the queue through the chain to each sink's delivery."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Sized
from operator import itemgetter

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.assembly import put_together
from tamis.pipeline.base import Processor
from tamis.pipeline.captured import LEVEL, LOGGER, MESSAGE, MORE, TIME, Captured, Origin, to_record
from tamis.pipeline.chain import FAILED, Chain, Passed
from tamis.pipeline.contents import Contents
from tamis.pipeline.delivery.delivery import Delivery, relieve
from tamis.pipeline.encode import encode_lines
from tamis.pipeline.limits import QueueLimits
from tamis.pipeline.metrics import LogMetrics
from tamis.pipeline.parcel import MSGPACK, Parcel, encode_records
from tamis.pipeline.restraint import ANY, Restraint
from tamis.pipeline.unbroken import unbroken
from tamis.record.model import INSTANT_MAX, Record
from tamis.record.severity import level_of_python, severity
from tamis.telemetry.diagnostics import Diagnostics

_PARCEL_BYTES_MAX = 1 << 20
_AT_ONCE_MIN, _AT_ONCE_MAX = 128, 512
_FORGETS = 0.9
_POLL_S, _RELIEF_S = 0.002, 0.05
_LEVEL_OF: Callable[[Captured], int] = itemgetter(LEVEL)


class Pump:
    """Takes batches and hands them out, numbered from 1. Used by one thread at a time."""

    def __init__(
        self,
        origin: Origin,
        metrics: LogMetrics,
        diagnostics: Diagnostics,
        *,
        limits: QueueLimits | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.deliveries: tuple[Delivery, ...] = ()
        self.may_start = True
        """Whether deliveries may start their threads."""
        self.bytes_each = 0.0
        """What a record takes, about; rather more than less."""
        self._origin, self._metrics, self._diagnostics, self._clock = origin, metrics, diagnostics, clock
        self._chain = Chain()
        self._numbers = itertools.count(1)
        self._at_once, self._is_forgetting = _AT_ONCE_MIN, False
        self._restraint = Restraint(limits or QueueLimits(), clock=clock)

    def use(self, processors: Sequence[Processor]) -> None:
        """Other processors from now on; what the present ones hold back is sent."""
        self.finish()
        self._chain = Chain(processors, tell=self._diagnostics.tell)

    def begin(self, origin: Origin) -> None:
        """In a forked child: numbered from 1; what processors hold back is the parent's, and forgotten at the next
        round.
        """
        self._origin, self._numbers, self._is_forgetting = origin, itertools.count(1), True

    def drain(self, queue: Sized, deadline_s: float, *, final: bool = False) -> bool:
        """Take what is in the queue now; whether it was in time. `final`: what is not goes to sinks without room too,
        which drop it, and it is counted.
        """
        waiting = len(queue)
        while waiting > 0 and queue:
            is_late = self._clock.monotonic_s() > deadline_s
            if is_late and not final:
                return False
            taken = self._take(ANY) if is_late else self.take(queue)
            waiting -= taken
            if not taken:
                self._make_room()
        return True

    def _make_room(self) -> None:
        """Have sinks whose thread does not run deliver on this one; wait a moment for the others."""
        for delivery in self.deliveries:
            relieve(delivery, self._clock.monotonic_s() + _RELIEF_S)
        self._clock.sleep(_POLL_S)

    def take(self, queue: Sized) -> int:
        """Take some from the queue, through the chain, to the deliveries; how many were taken: none when some sink
        has no room. More at a time under load, so that it costs less; fewer again, so that nobody waits for long.
        """
        at_once = self._at_once
        most = self._restraint.most(self.deliveries, self.bytes_each) if queue else ANY
        taken = self._take(min(at_once, most), whole=most < ANY)
        if queue and taken == at_once:
            self._at_once = min(at_once * 2, _AT_ONCE_MAX)
        elif taken < at_once // 4:
            self._at_once = max(at_once // 2, _AT_ONCE_MIN)
        return taken

    @unbroken()
    def _take(self, at_most: int, *, whole: bool = False) -> int:
        """The same for so many. `whole`: sinks keep all of it, though it may be larger than was thought."""
        if self._is_forgetting:
            self._is_forgetting = False
            self._chain.forget()
        taken = self._metrics.take(at_most)
        if not taken:
            return 0
        try:
            records, contents = self._put_together(taken)
            if contents.others:
                self._secure_named(taken, records, contents)
            passed = self._chain.run(records, contents)
            level = max(map(_LEVEL_OF, taken))
        except BaseException as error:  # taken from the queue, they must be counted somewhere
            self._give_up(Passed([]), len(taken), error)
            return len(taken)
        self._metrics.name_loggers(taken)
        self._hand_out(passed, level=level, whole=whole, contents=contents)
        return len(taken)

    def _give_up(self, passed: Passed, records: int, error: BaseException) -> None:
        """Count records that nobody can be given as dropped, and say so. A fault of ours ends here: raised on, it would
        be counted once more by whoever logged; what is to end a thread or the process goes on.
        """
        dropped = passed.dropped + Counter({FAILED: records})
        self._metrics.pass_on(Passed([], dropped=dropped, made=passed.made, errors=passed.errors), 0)
        if not isinstance(error, Exception):
            raise error
        self._metrics.fail()
        self._diagnostics.tell(
            "hand out", f"{records:,} records were lost in the pipeline: {type(error).__name__}"
        )

    @unbroken()
    def due(self) -> None:
        """Send what processors want sent now."""
        self._hand_out(self._chain.due(self._clock.now_ns()), level=0)

    @unbroken()
    def finish(self) -> None:
        """Send all that processors hold back."""
        self._hand_out(self._chain.due(INSTANT_MAX), level=0)

    def _put_together(self, taken: list[Captured]) -> tuple[list[Record], Contents]:
        try:
            return put_together(taken, self._origin)
        except Exception:  # one of them is broken: the others go on
            records = [self._to_record(captured) for captured in taken]
            return records, Contents(others=records, places=range(len(records)))

    def _secure_named(self, taken: list[Captured], records: list[Record], contents: Contents) -> None:
        """What was put into messages by secret names is secured before anybody sees it; such records are among the
        `others`. A message that was cut, or changed, is one value as a whole.
        """
        others = list(contents.others)
        for number, place in enumerate(contents.places):
            captured, record = taken[place], records[place]
            more = captured[MORE]
            if more is not None and more.named:
                named = more.named
                if record.message != captured[MESSAGE]:
                    named = tuple([(name, 0, len(record.message)) for name, _, _ in named])
                records[place] = others[number] = self._chain.secure_named(record, named)
        contents.others = others

    def _to_record(self, captured: Captured) -> Record:
        origin = self._origin
        try:
            return to_record(captured, origin)
        except Exception as error:  # the edge of what users gave us: the record is kept, as far as can be
            self._metrics.fail()
            self._diagnostics.tell("record", f"a record could not be put together: {type(error).__name__}")
            return Record(
                timestamp=captured[TIME],
                message=captured[MESSAGE],
                level=level_of_python(captured[LEVEL]),
                logger=captured[LOGGER],
                service=origin.service,
                attributes={"process": origin.process, "process_id": origin.process_id},
            )

    def _hand_out(
        self, passed: Passed, *, level: int, whole: bool = False, contents: Contents | None = None
    ) -> None:
        """Number the records and give them to each delivery. `contents` are those of what went into the chain."""
        records = passed.records
        if not records:
            if passed.dropped or passed.errors or passed.made:
                self._metrics.pass_on(passed, 0)
            return
        try:
            parcels = self._packed(passed, level, contents)
        except BaseException as error:  # as before
            self._give_up(passed, len(records), error)
            return
        size = sum([parcel.bytes for parcel in parcels])
        self.bytes_each = max(size / len(records), self.bytes_each * _FORGETS)
        self._metrics.pass_on(passed, size)
        for delivery in self.deliveries:
            self._offer(delivery, parcels, whole=whole)

    def _packed(self, passed: Passed, level: int, contents: Contents | None) -> list[Parcel]:
        """Numbered, and in parcels; with lines where some sink wants them."""
        records = passed.records
        for record, number in zip(records, self._numbers, strict=False):
            record.attributes["sequence"] = number
        urgency = severity(level_of_python(level) or "TRACE")
        if passed.made:
            urgency = max(urgency, *(severity(record.level or "") for record in records))
        about = _bytes_of(passed, contents)
        lines = None
        if about is not None and about <= _PARCEL_BYTES_MAX and self._want_lines():
            lines = encode_lines(records, about=about)
        return list(_pack(records, urgency, self._clock.monotonic_s(), about=about, lines=lines))

    def _want_lines(self) -> bool:
        """Whether some sink writes lines: they are made here, once, while the records are at hand."""
        return any(getattr(delivery.sink, "wants_lines", False) is True for delivery in self.deliveries)

    def _offer(self, delivery: Delivery, parcels: list[Parcel], *, whole: bool) -> None:
        for parcel in parcels:
            try:
                delivery.offer(parcel, start=self.may_start, whole=whole)
            except Exception as error:  # one sink's trouble is not another's
                delivery.lose(parcel, FAILED)
                self._metrics.fail()
                self._diagnostics.tell(
                    f"offer {delivery.sink.name}", f"{delivery.sink.name} lost records: {error!r}"
                )


def _bytes_of(passed: Passed, contents: Contents | None) -> int | None:
    """About what the records take; None where only writing them tells."""
    if contents is None or not passed.are_alike or passed.made:
        return None
    others = len(encode_records(list(contents.others))[1]) if contents.others else 0
    return contents.bytes_of(len(passed.records)) + others


def _pack(
    records: list[Record],
    urgency: int,
    since_s: float,
    *,
    about: int | None = None,
    lines: bytes | None = None,
) -> Iterator[Parcel]:
    """Parcels of a bounded size, in order. `about` is their size where it is known, and `lines` what they are as
    lines of JSON, which is of use to a single parcel alone.
    """
    if about is not None and about <= _PARCEL_BYTES_MAX:
        yield Parcel(records, MSGPACK, None, urgency, since_s, about=about, lines=lines)
        return
    form, payload = encode_records(records)
    if len(payload) <= _PARCEL_BYTES_MAX or len(records) == 1:
        yield Parcel(records, form, payload, urgency, since_s)
        return
    middle = len(records) // 2
    yield from _pack(records[:middle], urgency, since_s)
    yield from _pack(records[middle:], urgency, since_s)
