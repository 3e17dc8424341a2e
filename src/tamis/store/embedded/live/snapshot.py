"""Who looks at which moment: files that left the manifest stay until nobody reads them any more."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tamis.store.embedded.format.segment import Segment


@dataclass(frozen=True, slots=True)
class _Retired:
    moment: int
    segment: Segment


class Holds:
    """Moments of the store, and the segments that left it. Thread-safe.

    A moment ends when segments leave; who began to read before keeps them.
    """

    def __init__(self, remove: Callable[[Segment], None]) -> None:
        self._remove = remove
        self._lock = threading.Lock()
        self._moment = 0
        self._held: Counter[int] = Counter()
        self._retired: list[_Retired] = []

    def hold(self) -> int:
        """Look at the present moment; `release` it afterwards."""
        with self._lock:
            self._held[self._moment] += 1
            return self._moment

    def release(self, moment: int) -> None:
        """No longer look at a moment."""
        with self._lock:
            self._held[moment] -= 1
            if not self._held[moment]:
                del self._held[moment]

    def retire(self, segments: Sequence[Segment]) -> None:
        """These are not seen by whoever begins to look from now on."""
        if not segments:
            return
        with self._lock:
            self._retired.extend(_Retired(self._moment, segment) for segment in segments)
            self._moment += 1

    def sweep(self) -> int:
        """Close and remove what nobody can see any more; return how many segments."""
        with self._lock:
            oldest = min(self._held, default=self._moment)
            free = [one for one in self._retired if one.moment < oldest]
            self._retired = [one for one in self._retired if one.moment >= oldest]
        for place, one in enumerate(free):
            try:
                self._remove(one.segment)
            except BaseException:
                with self._lock:
                    self._retired.extend(free[place:])
                raise
        return len(free)

    @property
    def waiting(self) -> int:
        """Segments that left but are still there."""
        return len(self._retired)
