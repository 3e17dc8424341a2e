"""What the server says of the shop: asked once a second, shown in the terminal."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tamis.cli.target import Ask, Target

SECONDS = 60
RATE_OVER_S = 10
NOTABLE = 6
_NOTABLE = "level>=warning"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one moment: totals by service and level, counts for each second by service, the last notable records."""

    total: int = 0
    levels: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By service and level."""
    seconds: dict[str, list[int]] = field(default_factory=dict)
    """By service: records in each of the last seconds, oldest first."""
    notable: tuple[dict[str, Any], ...] = ()
    passed_s: int = SECONDS

    @property
    def services(self) -> list[str]:
        """Those with records, by name."""
        return sorted({service for service, _ in self.levels})

    def count(self, service: str | None = None, *levels: str) -> int:
        """Records of a service (of all when None), of these levels (all when none is given)."""
        return sum(
            number
            for (name, level), number in self.levels.items()
            if (service is None or name == service) and (not levels or level in levels)
        )

    def per_s(self, service: str | None = None) -> float:
        """Records a second of late."""
        over_s = max(1, min(RATE_OVER_S, self.passed_s))
        series = [self.seconds.get(service, [])] if service is not None else list(self.seconds.values())
        return sum(sum(one[-over_s:]) for one in series) / over_s


def read_figures(target: Target, *, began_s: int, now_s: int) -> Figures:
    """Ask the server for what was logged since `began_s`; seconds (since 1970) are counted up to `now_s`."""
    begin = str(began_s)
    rows = target.stats(Ask("| stats count() as n by service, level", start=begin))["rows"]
    levels = Counter({(service or "", level or ""): number for service, level, number in rows})
    since_s = now_s - SECONDS
    bins = target.stats(
        Ask("| stats count() as n by service, bin(1s)", start=str(max(since_s, began_s)), end=str(now_s))
    )
    notable = target.search(Ask(_NOTABLE, start=begin), limit=NOTABLE)["records"]
    return Figures(
        sum(levels.values()), levels, _by_second(bins, since_s), tuple(reversed(notable)), now_s - began_s
    )


def _by_second(answer: dict[str, Any], since_s: int) -> dict[str, list[int]]:
    names = answer["columns"]
    service, at, count = names.index("service"), names.index("bin"), names.index("n")
    found: dict[str, list[int]] = {}
    for row in answer["rows"]:
        place = int(datetime.fromisoformat(row[at]).timestamp()) - since_s
        if 0 <= place < SECONDS:
            found.setdefault(row[service] or "", [0] * SECONDS)[place] += row[count]
    return found
