"""How much memory a call held at most: by tracemalloc, which is on only while such a call runs."""

import threading
from typing import Any


class PeakMeter:
    """One call's peak: bytes that Python held over those held at its begin.

    What other threads and tasks take meanwhile counts too: tracemalloc knows the process, not who asked. Calls inside
    one another each have their own peak. No collection is forced. Not thread-safe; `start` once, then `stop` once.
    """

    __slots__ = ("base", "top")

    def __init__(self) -> None:
        self.base = self.top = 0

    def start(self) -> None:
        """From here on."""
        self.base = self.top = _PEAKS.enter(self)

    def stop(self) -> int:
        """The peak in bytes."""
        _PEAKS.leave(self)
        return max(self.top - self.base, 0)


class _Peaks:
    """Everybody's peaks from the one that tracemalloc keeps."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Nobody measures."""
        self._lock = threading.RLock()
        self._meters: list[PeakMeter] = []
        self._has_started = False

    def enter(self, meter: PeakMeter) -> int:
        """What is held now; the peak starts anew from it."""
        import tracemalloc

        with self._lock:
            if not tracemalloc.is_tracing():
                tracemalloc.start()
                self._has_started = True
            held = self._tell(tracemalloc)
            self._meters.append(meter)
            return held

    def leave(self, meter: PeakMeter) -> None:
        """Tell the last peak; the last one out ends the tracing, if it was begun here."""
        import tracemalloc

        with self._lock:
            self._tell(tracemalloc)
            if meter in self._meters:
                self._meters.remove(meter)
            if not self._meters and self._has_started:
                tracemalloc.stop()
                self._has_started = False

    def _tell(self, tracemalloc: Any) -> int:
        """All who measure learn of the peak so far, before it is set back."""
        held, top = tracemalloc.get_traced_memory()
        for meter in self._meters:
            meter.top = max(meter.top, top)
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        return int(held)


_PEAKS = _Peaks()
forget_meters = _PEAKS.begin
"""After a fork: those who measured are in the parent."""
