"""`AsyncLogHandler`: any handler, taken off the caller's thread."""

import logging

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.embed.exit import at_child_exit, at_exit
from tamis.embed.handlers.handed import was_logged_within
from tamis.embed.handlers.handover import AsyncStats, Handover, HandoverLimits
from tamis.embed.handlers.wrapped import find_wrapped
from tamis.embed.outlet import tell_lost
from tamis.errors import ConfigError
from tamis.pipeline.fork import watch_forks
from tamis.pipeline.own import own_work


class AsyncLogHandler(logging.Handler):
    """Hands records to another handler on a thread of its own, in order, in batches that grow under load.

    The caller pays for one append: no lock, no I/O. Values that could change are formatted on the caller, and a
    traceback is reduced to its lines; `%(…)s` formats see the usual attributes. When the wrapped handler raises,
    or has not come back for `timeout_s`, records go to `fallback`. At `capacity` records the mildest are dropped
    first, and counted. It drains at exit, for as long as `exit_s`, and starts anew in forked children. Nothing it
    does raises into the application. In `dictConfig`, `handler` and `fallback` are `cfg://handlers.<name>` or
    stand there whole. ConfigError names an argument that is wrong.
    """

    def __init__(
        self,
        handler: logging.Handler,
        fallback: logging.Handler | None = None,
        *,
        capacity: int = 10_000,
        batch_min: int = 16,
        batch_max: int = 1_024,
        timeout_s: float = 5.0,
        exit_s: float = 5.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        _check(
            capacity=capacity, batch_min=batch_min, batch_max=batch_max, timeout_s=timeout_s, exit_s=exit_s
        )
        find = find_wrapped(handler)
        find_fallback = find_wrapped(fallback) if fallback is not None else None
        super().__init__()
        self.exit_s, self._clock = exit_s, clock
        limits = HandoverLimits(
            capacity=capacity, batch_min=batch_min, batch_max=batch_max, timeout_s=timeout_s
        )
        self._handover = Handover(find, find_fallback, limits, clock=clock)
        watch_forks(self)
        at_exit(self)

    def createLock(self) -> None:  # noqa: N802 -- the name is logging's
        """No lock is needed on the caller's thread."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Filters as everywhere, then the record waits for its turn."""
        passed = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Take the record; it goes to the wrapped handler on its thread."""
        try:
            if not was_logged_within(record):  # what the wrapped handler itself logs, while it works
                self._handover.put(record)
        except Exception as error:  # logging never raises into the application
            tell_lost(record.name, error)

    def stats(self) -> AsyncStats:
        """What became of the records so far."""
        return self._handover.stats()

    def flush(self) -> None:
        """Wait until what was logged is with the wrapped handler, at most `exit_s`; then flush that."""
        with own_work():
            if self._handover.drain(self._clock.monotonic_s() + self.exit_s):
                self._handover.handler.flush()

    def close(self) -> None:
        """Hand over what waits, for at most `exit_s`; to the fallback when the wrapped handler hangs. Idempotent.
        What is logged later is handed over at once, to the fallback too if that handler still hangs."""
        if self._handover.is_stopped:
            return
        with own_work():
            done = self._handover.drain(self._clock.monotonic_s() + self.exit_s)
            self._handover.stop()
            if not done:
                self._handover.give_up()
        super().close()

    def deliver_at_exit(self) -> None:
        """Before `logging` closes handlers: it might close the wrapped one first."""
        self.close()

    def after_fork(self) -> None:
        """In the child: what waits is the parent's."""
        self._handover.after_fork()
        at_child_exit(self)


_WHOLE = ("capacity", "batch_min", "batch_max")


def _check(**given: float) -> None:
    for name, value in given.items():
        kinds = int if name in _WHOLE else int | float
        least = 1 if name in _WHOLE else 0
        if isinstance(value, bool) or not isinstance(value, kinds) or not value >= least:
            what = "a whole number from 1 on" if name in _WHOLE else "seconds, 0 or more"
            raise ConfigError(name, value, "argument of AsyncLogHandler", f"must be {what}")
    if given["batch_max"] < given["batch_min"]:
        raise ConfigError(
            "batch_max", given["batch_max"], "argument of AsyncLogHandler", "must be no less than batch_min"
        )
