"""The chain of processors: a batch of records goes through each in turn."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from msgspec.structs import replace as replaced

from tamis.pipeline.base import Processor
from tamis.pipeline.captured import Named
from tamis.pipeline.contents import Contents
from tamis.record.model import INSTANT_MAX, Record

UNREAD = "(this record could not be looked at)"
FAILED = "failed"
"""The reason for a record that a processor could neither process nor make harmless."""

Tell = Callable[[str, str], object]
"""Takes a topic and a sentence: `Diagnostics.tell`."""


@runtime_checkable
class Choosing(Processor, Protocol):
    """A processor that can tell at a glance which records of a batch it has anything to do with."""

    def places(self, records: Sequence[Record], contents: Contents | None = None, /) -> Sequence[int]:
        """Where in the batch they stand, in order, each once; too many is no harm. The others go on unseen.
        `contents` say what the records say, where that is known.
        """
        ...


@runtime_checkable
class Naming(Processor, Protocol):
    """A processor that keeps secret what has a secret name, in messages too."""

    def secure_named(self, record: Record, named: Sequence[Named], /) -> Record:
        """The record with those of its message's named arguments replaced whose names say so."""
        ...


@dataclass(slots=True)
class Passed:
    """What came out of the chain: records in order, how many were dropped for which reason, how many came from
    processors themselves (`made`), and how many calls of a processor failed.
    """

    records: list[Record]
    dropped: Counter[str] = field(default_factory=Counter)
    made: int = 0
    errors: int = 0
    contents: Contents | None = None
    are_alike: bool = True


class Chain:
    """Processors in order. Used by one thread at a time."""

    def __init__(self, processors: Sequence[Processor] = (), *, tell: Tell | None = None) -> None:
        self.processors = tuple(processors)
        self._tell = tell
        # Asked once: whether an object has the methods of a protocol takes as long as a few records do.
        self._choosing = {id(one): one for one in self.processors if isinstance(one, Choosing)}

    def run(self, records: list[Record], contents: Contents | None = None) -> Passed:
        """All records through all processors. Never raises for what a processor does."""
        passed = Passed(records, contents=contents)
        for processor in self.processors:
            self._step(processor, passed)
        return passed

    def secure_named(self, record: Record, named: Sequence[Named]) -> Record:
        """The record, what stands in its message by a secret name replaced, where some processor keeps secrets."""
        for processor in self.processors:
            if isinstance(processor, Naming):
                try:
                    return processor.secure_named(record, named)
                except Exception as error:  # a processor's edge: what it could not look at is not sent on
                    self._failed(processor, Passed([]), error)
                    return self._rescue(processor, record, Passed([])) or replaced(record, message=UNREAD)
        return record

    def due(self, now_ns: int) -> Passed:
        """What processors held back and want sent now, each through the steps after its own."""
        passed = Passed([])
        for processor in self.processors:
            self._step(processor, passed)
            try:
                made = processor.due(now_ns)
            except Exception as error:  # a processor's edge: the others go on
                self._failed(processor, passed, error)
                continue
            if made:
                passed.made += len(made)
                passed.records = [*passed.records, *made]
        return passed

    def forget(self) -> None:
        """Throw away what processors hold back: in a forked child it is the parent's to send."""
        for processor in self.processors:
            try:
                processor.due(INSTANT_MAX)
            except Exception as error:  # a processor's edge: what it held is the parent's anyway
                self._failed(processor, Passed([]), error)

    def _step(self, processor: Processor, passed: Passed) -> None:
        records = passed.records
        if not records:
            return
        choosing = self._choosing.get(id(processor))
        places = None if choosing is None else self._places(choosing, passed)
        if places is None:
            found = self._each(processor, records, passed)
        elif not places:
            return
        else:
            found = list(records)
            chosen = self._each(processor, [records[place] for place in places], passed)
            for place, one in zip(places, chosen, strict=True):
                found[place] = one
        passed.records = [record for record in found if record is not None]
        says = vars(type(processor))  # not what a class inherits: its own `process` may do anything
        if not says.get("only_drops"):  # whoever else had them in hand may have changed them
            passed.contents = None
            passed.are_alike = passed.are_alike and "only_masks" in says

    def _places(self, processor: "Choosing", passed: Passed) -> Sequence[int] | None:
        """Which records the processor is to see; None for all."""
        try:
            places = processor.places(passed.records, passed.contents)
        except Exception as error:  # a processor's edge: it sees all of them then
            self._failed(processor, passed, error)
            return None
        return None if len(places) == len(passed.records) else places

    def _each(self, processor: Processor, records: list[Record], passed: Passed) -> list[Record | None]:
        """What becomes of each of the records, in order; those that are gone are counted."""
        found: list[Record | None] = []
        failed_before = passed.dropped[FAILED]
        add, process, waiting, record = found.append, processor.process, iter(records), records[0]
        while True:
            try:
                for record in waiting:
                    add(process(record))
                break
            except Exception as error:  # a processor's edge: one record never costs the others
                self._failed(processor, passed, error)
                add(self._rescue(processor, record, passed))
        dropped = found.count(None) - (passed.dropped[FAILED] - failed_before)
        if dropped:
            passed.dropped[processor.reason or FAILED] += dropped
        return found

    def _rescue(self, processor: Processor, record: Record, passed: Passed) -> Record | None:
        """What the processor says goes on instead; nothing when even that fails, for it may keep secrets."""
        try:
            rest = processor.failed(record)
        except Exception as error:  # a processor's edge, broken twice
            self._failed(processor, passed, error)
            rest = None
        if rest is None:
            passed.dropped[FAILED] += 1
        return rest

    def _failed(self, processor: Processor, passed: Passed, error: Exception) -> None:
        passed.errors += 1
        if self._tell is not None:
            # The error's text may hold what the record holds; its kind does not.
            self._tell(
                f"processor {processor.name}",
                f"the processor {processor.name} failed with {type(error).__name__}",
            )
