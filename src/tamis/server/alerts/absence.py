"""`AbsenceWatch`: rules about what does not come."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tamis.clock import NS_PER_S
from tamis.server.alerts.awake import Awake
from tamis.server.alerts.counting import Span, newest
from tamis.server.alerts.groups import ALL, key_of, labels_of
from tamis.server.alerts.rule import Compiled
from tamis.server.alerts.watch import Look, Reading, Watchfulness

REMEMBERED_NS = 7 * 86_400 * NS_PER_S
"""A group of which nothing came for so long is gone, not late (or for three windows, where that is more)."""


class AbsenceWatch:
    """The time of each group's newest record. A window is time in which the server was there (`Awake`)."""

    def __init__(self, compiled: Compiled, groups_max: int, *, awake: Awake, since_ns: int) -> None:
        self.compiled, self._awake = compiled, awake
        self.seen = Watchfulness(groups_max)
        self._newest: dict[str, int] = {}
        self._remembered_ns = max(REMEMBERED_NS, 3 * compiled.window_ns)
        if not compiled.fields:
            self.seen.admit(ALL, {})
            self._newest[ALL] = since_ns

    def open(self, look: Look) -> None:
        """Read when something came last."""
        span = Span(None, look.as_of, look.now_ns - self._remembered_ns, look.now_ns + 1)
        self._read(look, span)

    def take(self, look: Look) -> None:
        """Read what came since."""
        if look.after_seq == look.as_of:
            return
        self._read(look, Span(look.after_seq, look.as_of))

    def _read(self, look: Look, span: Span) -> None:
        self.add(
            newest(look.store, self.compiled.filter, self.compiled.fields, span, look.budget), look.now_ns
        )

    def add(self, found: Iterable[tuple[Sequence[Any], int]], now_ns: int) -> None:
        """Groups of which something came, with the time of the newest."""
        for values, stamp in found:
            key = key_of(values)
            if self.seen.admit(key, labels_of(self.compiled.fields, values)):
                self._newest[key] = max(self._newest.get(key, stamp), min(stamp, now_ns))

    def readings(self, now_ns: int, held: Mapping[str, int]) -> list[Reading]:
        """Groups of which nothing came for a window, and those with an incident."""
        readings = []
        for key in sorted({*self._newest, *held}):
            stamp = self._newest.get(key)
            missing_ns = 0 if stamp is None else self._awake.between_ns(stamp, now_ns)
            is_met = missing_ns >= self.compiled.window_ns
            if not is_met and key not in held:
                continue
            labels = self.seen.labels.get(key, {})
            if is_met and not self._awake.is_quiet(now_ns):
                readings.append(Reading(key, labels, 0, is_met, now_ns, now_ns, stamp))
            else:
                readings.append(Reading(key, labels, 0, is_met))
        return readings

    def settle(self, now_ns: int) -> None:
        """Forget groups that are gone."""
        for key, stamp in list(self._newest.items()):
            if now_ns - stamp > self._remembered_ns and self.compiled.fields:
                del self._newest[key]
        self.seen.keep_only(self._newest)
