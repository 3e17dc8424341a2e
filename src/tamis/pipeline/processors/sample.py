"""Sampling: of a message that repeats within a second, only a part goes on."""

from collections.abc import Mapping, Sequence
from itertools import islice
from random import Random
from typing import Final

from tamis.clock import NS_PER_S
from tamis.record.model import Record
from tamis.record.severity import severity
from tamis.settings.processors import SampleSettings

_ALWAYS_SEVERITY: Final = 17
_EVICTED: Final = 5
"""A fifth of the messages is forgotten at a time, the oldest."""
_Key = tuple[str | None, str]


class Sample:
    """Keeps the first record of a service and message, and of those that follow within `interval_s` of it the
    share of their level in `rates`. So a flood is never silent: each interval begins with a record that is kept.

    ERROR and above always go on, and so do levels without a severity. The same records and `seed` give the same
    choice. At most `messages_max` messages are remembered; of a forgotten one the next record is kept.
    """

    name = "sample"
    reason = "sampled"
    only_drops = True
    """No record is another one afterwards."""

    def __init__(
        self,
        rates: Mapping[int, float],
        *,
        interval_s: float = 1.0,
        messages_max: int = 10_000,
        seed: int | None = None,
    ) -> None:
        self._rates = {severity: rates[severity] for severity in sorted(rates, reverse=True)}
        self._interval_ns, self._messages_max = int(interval_s * NS_PER_S), messages_max
        self._chance = Random(seed).random  # noqa: S311 -- chooses log records, guards nothing
        self._begun: dict[_Key, int] = {}
        self._rate_of: dict[str | None, float] = {None: 1.0}

    def process(self, record: Record, /) -> Record | None:
        """The record, or None when it is a repeat that chance drops."""
        rate = self._rate_of.get(record.level)
        if rate is None:
            rate = self._learn(record.level or "")
        if rate >= 1.0:
            return record
        key = (record.service, record.message)
        begun_ns = self._begun.get(key)
        if begun_ns is None or not 0 <= record.timestamp - begun_ns < self._interval_ns:
            self._begin(key, record.timestamp)
            return record
        return record if self._chance() < rate else None

    def failed(self, record: Record, /) -> Record:
        """Sampling is a convenience: the record goes on."""
        return record

    def due(self, _now_ns: int, /) -> Sequence[Record]:
        """It holds nothing back."""
        return ()

    def _begin(self, key: _Key, now_ns: int) -> None:
        begun = self._begun
        begun.pop(key, None)
        if len(begun) >= self._messages_max:
            for old in list(islice(begun, max(self._messages_max // _EVICTED, 1))):
                del begun[old]
        begun[key] = now_ns

    def _learn(self, level: str) -> float:
        """The rate of a level: that of the highest severity in the table which it reaches."""
        number = severity(level)
        rate = 1.0
        if 0 < number < _ALWAYS_SEVERITY:
            rate = next((rate for least, rate in self._rates.items() if number >= least), 1.0)
        if len(self._rate_of) < self._messages_max:
            self._rate_of[level] = rate
        return rate


def sample_from(settings: SampleSettings) -> Sample:
    """Sampling as the settings say."""
    rates = {1: settings.debug, 9: settings.info, 13: settings.warning}
    return Sample(
        rates,
        interval_s=settings.interval_s,
        messages_max=settings.messages_max,
        seed=settings.seed or None,
    )
