"""What the pipeline has to say of itself: rate-limited, counted, and never back into the pipeline."""

import sys
import threading
from collections.abc import Callable

from tamis.clock import SYSTEM_CLOCK, Clock

Write = Callable[[str], object]
"""Takes a line of text without its end."""

WARNING = 30
TOPICS_MAX = 256
"""Topics told apart; what is beyond shares one allowance."""


def write_stderr(line: str) -> None:
    """Where diagnostics go unless another place is given; nothing when the process has no stderr."""
    if sys.stderr is not None:
        sys.stderr.write(f"{line}\n")


class _Here(threading.local):
    is_telling = False


class Diagnostics:
    """Sentences for whoever runs the application. Thread-safe; never raises, never waits for another thread.

    Of one topic (`spool`, `delivery tamis http://…`) a sentence is written every `interval_s` at most; what was
    kept back is counted, and the next sentence of the topic says how many. What is told while a sentence is
    being written on the same thread (by a patched stderr that logs) is counted and goes no further.
    """

    def __init__(
        self, write: Write = write_stderr, *, interval_s: float = 60.0, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.write, self.interval_s = write, interval_s
        self._clock = clock
        self._lock = threading.RLock()
        self._topics: dict[str, tuple[float, int]] = {}
        self._here = _Here()
        self._told = self._kept_back = 0

    @property
    def told(self) -> int:
        """Sentences written."""
        return self._told

    @property
    def kept_back(self) -> int:
        """Sentences that were not."""
        return self._kept_back

    def tell(self, topic: str, sentence: str, *, interval_s: float | None = None) -> bool:
        """Write a sentence unless its topic has had one within the interval; whether it was written."""
        missed = self._turn(topic, self.interval_s if interval_s is None else interval_s)
        if missed is None:
            return False
        more = f" ({missed:,} more like it were not told)" if missed else ""
        self._here.is_telling = True
        try:
            self.write(f"tamis: {sentence}{more}")
        except Exception:  # whoever reads has gone away, or fails: there is nobody else to tell
            return False
        finally:
            self._here.is_telling = False
        return True

    def tell_captured(self, level: int, logger: str, message: str) -> bool:
        """A record (level on Python's scale) that was logged within the pipeline's own work; from WARNING on."""
        return level >= WARNING and self.tell(f"own {logger}", f"{logger}: {message}")

    def _turn(self, topic: str, interval_s: float) -> int | None:
        """How many of the topic were kept back when its turn has come; None when it has not."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            if topic not in self._topics and len(self._topics) >= TOPICS_MAX:
                topic = ""
            since_s, missed = self._topics.get(topic, (-interval_s, 0))
            if self._here.is_telling or (topic in self._topics and now_s - since_s < interval_s):
                self._kept_back += 1
                self._topics[topic] = (since_s, missed + 1)
                return None
            self._told += 1
            self._topics[topic] = (now_s, 0)
            return missed

    def after_fork_in_child(self) -> None:
        """In the child: a lock that another thread of the parent held would never be free."""
        self._lock = threading.RLock()
        self._here = _Here()
