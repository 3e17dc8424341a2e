"""What a rule sees: read from the store, in pieces as records come, and judged window by window."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tamis.server.alerts.counting import Counted
from tamis.server.alerts.rule import Compiled
from tamis.store.base import Budget, Store


@dataclass(frozen=True, slots=True)
class Reading:
    """What is the case with one group now. `value` is the newest, or the highest of the windows that newly meet the
    rule; those end at `first_ns` to `last_ns`, and the first begins at `begins_ns` (None: no new one does). `is_met`:
    the window that ends now meets it. `peak` is the highest of all windows that something came into, news or not.
    `shapes` are those it is about, where the rule is about shapes.
    """

    key: str
    labels: dict[str, Any]
    value: float
    is_met: bool
    first_ns: int | None = None
    last_ns: int | None = None
    begins_ns: int | None = None
    peak: float | None = None
    shapes: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the store: everything after `after_seq` up to `as_of`, at the instant `now_ns`. `shared` holds what
    other rules counted in the same look, by what was asked.
    """

    store: Store
    budget: Budget
    now_ns: int
    as_of: int
    after_seq: int | None = None
    shared: dict[Any, list[Counted]] = field(default_factory=dict)


@dataclass(slots=True)
class Watchfulness:
    """What a watch had to leave out: groups beyond the limit, records that came too late for their window."""

    groups_max: int = 1_000
    groups_left_out: int = 0
    late: int = 0
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)

    def admit(self, key: str, labels: dict[str, Any]) -> bool:
        """Whether a group is told apart; the limit leaves out those that come last."""
        if key not in self.labels:
            if len(self.labels) >= self.groups_max:
                self.groups_left_out += 1
                return False
            self.labels[key] = labels
        return True

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget groups of which nothing is known any more."""
        for key in [key for key in self.labels if key not in keys]:
            del self.labels[key]


class Watch(Protocol):
    """One rule's view. `open` reads what was there before; `take` reads what came since (a failure leaves everything as
    it was); `readings` judges what was taken since the last `settle`, and is asked again until then.
    """

    compiled: Compiled
    seen: Watchfulness

    def open(self, look: Look) -> None:
        """Know what is known of the records up to `look.as_of`, none of which is news."""
        ...

    def take(self, look: Look) -> None:
        """Take in what came since."""
        ...

    def readings(self, now_ns: int, held: Mapping[str, int]) -> list[Reading] | None:
        """Every group of which something is to be said. `held`: for groups with an incident the end of the last window
        that was judged to meet the rule; windows up to there are no news. None: it is not time to judge.
        """
        ...

    def settle(self, now_ns: int) -> None:
        """What was judged is safe."""
        ...
