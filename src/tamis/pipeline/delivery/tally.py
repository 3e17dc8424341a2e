"""How many records came to a delivery, and how many it is done with."""

import threading


class Tally:
    """Counts from the start of the process. Thread-safe."""

    def __init__(self) -> None:
        self.came = self.went = 0
        self._hurry_to = 0
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many are not done with."""
        return max(self.came - self.went, 0)

    @property
    def is_hurried(self) -> bool:
        """Whether some that wait were to be sent at once."""
        return self.went < self._hurry_to

    def come(self, records: int) -> None:
        """So many more."""
        with self._lock:
            self.came += records

    def go(self, records: int) -> None:
        """So many are done with."""
        with self._lock:
            self.went += records

    def hurry(self) -> int:
        """All that came so far are to be sent at once; how many those are."""
        with self._lock:
            self._hurry_to = max(self._hurry_to, self.came)
            return self.came
