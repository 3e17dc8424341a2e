"""Which snapshots are kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tamis.backup.snapshot import Snapshot
from tamis.clock import NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How many are kept of each store: the newest, and the newest of so many days, weeks and months (UTC) that have
    one. A snapshot stays when any of them wants it. All 0: every one stays."""

    last: int = 7
    daily: int = 7
    weekly: int = 5
    monthly: int = 12

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is ever removed."""
        return not (self.last or self.daily or self.weekly or self.monthly)


def kept(snapshots: Mapping[str, Snapshot], keep: Keep) -> set[str]:
    """The names of those that stay. The newest of each store always does."""
    if keep.keeps_all:
        return set(snapshots)
    by_store: dict[str, list[tuple[str, Snapshot]]] = {}
    for name, snapshot in snapshots.items():
        by_store.setdefault(snapshot.store_id, []).append((name, snapshot))
    return {name for members in by_store.values() for name in _kept_of_one(members, keep)}


def _kept_of_one(members: list[tuple[str, Snapshot]], keep: Keep) -> Iterable[str]:
    newest = sorted(members, key=lambda one: (one[1].created_ns, one[1].number, one[0]), reverse=True)
    yield newest[0][0]
    yield from (name for name, _ in newest[: keep.last])
    for count, period in ((keep.daily, _day), (keep.weekly, _week), (keep.monthly, _month)):
        yield from _newest_of(newest, count, period)


def _newest_of(
    newest: list[tuple[str, Snapshot]], count: int, period: Callable[[datetime], str]
) -> Iterable[str]:
    found: dict[str, str] = {}
    for name, snapshot in newest:
        made = datetime.fromtimestamp(snapshot.created_ns // NS_PER_S, UTC)
        found.setdefault(period(made), name)
    return list(found.values())[:count]


def _day(made: datetime) -> str:
    return made.strftime("%Y-%m-%d")


def _week(made: datetime) -> str:
    return made.strftime("%G-%V")


def _month(made: datetime) -> str:
    return made.strftime("%Y-%m")
