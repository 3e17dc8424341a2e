"""Two reports beside each other: what became slower, what is new, what is gone."""

from collections.abc import Iterator, Mapping

import msgspec

from tamis.telemetry.profiler.report import FunctionFigures, PerformanceReport, Spread

RATIO = 1.2
"""From this ratio of means on a function counts as slower; faster is its inverse."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One function in both reports. Ratios are after to before; None where before is 0."""

    name: str
    before: FunctionFigures
    after: FunctionFigures
    mean_ratio: float | None
    p95_ratio: float | None
    total_ratio: float | None
    peak_ratio: float | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Functions by how much they changed, the slowest first; `system` holds means before and after."""

    changes: tuple[Change, ...]
    slower: tuple[str, ...]
    faster: tuple[str, ...]
    new: tuple[str, ...]
    gone: tuple[str, ...]
    system: Mapping[str, tuple[float, float]]

    def text(self) -> str:
        """As lines."""
        return "\n".join(_lines(self)) + "\n"


def compare_reports(
    before: PerformanceReport, after: PerformanceReport, *, ratio: float = RATIO
) -> Comparison:
    """What is different in `after`. Slower: the mean of a call is `ratio` times the one before, or more."""
    if not ratio > 1:
        raise ValueError(f"ratio = {ratio!r}: must be over 1")
    earlier, later = ({one.name: one for one in report.functions} for report in (before, after))
    changes = [_change(one, later[name]) for name, one in earlier.items() if name in later]
    changes.sort(key=lambda one: (-(one.mean_ratio or 0.0), one.name))
    return Comparison(
        changes=tuple(changes),
        slower=tuple(one.name for one in changes if (one.mean_ratio or 0.0) >= ratio),
        faster=tuple(one.name for one in reversed(changes) if 0 < (one.mean_ratio or 0.0) <= 1 / ratio),
        new=tuple(name for name in later if name not in earlier),
        gone=tuple(name for name in earlier if name not in later),
        system=_means(before.system, after.system),
    )


def _change(before: FunctionFigures, after: FunctionFigures) -> Change:
    return Change(
        name=before.name,
        before=before,
        after=after,
        mean_ratio=_ratio(before.mean_s, after.mean_s),
        p95_ratio=_ratio(before.p95_s, after.p95_s),
        total_ratio=_ratio(before.total_s, after.total_s),
        peak_ratio=_ratio(before.peak_bytes or 0, after.peak_bytes or 0),
    )


def _ratio(before: float, after: float) -> float | None:
    return after / before if before else None


def _means(before: Mapping[str, Spread], after: Mapping[str, Spread]) -> dict[str, tuple[float, float]]:
    return {name: (before[name].mean, after[name].mean) for name in before if name in after}


def _lines(found: Comparison) -> Iterator[str]:
    for change in found.changes:
        mark = "slower" if change.name in found.slower else "faster" if change.name in found.faster else ""
        before, after = change.before, change.after
        ratio = "" if change.mean_ratio is None else f" ({change.mean_ratio:.2f} times)"
        yield (
            f"{mark:6} {change.name}: mean {before.mean_s * 1e3:.3f} → {after.mean_s * 1e3:.3f} ms{ratio}, "
            f"p95 {before.p95_s * 1e3:.3f} → {after.p95_s * 1e3:.3f} ms, calls {before.calls:,} → {after.calls:,}"
        )
    yield from (f"new    {name}" for name in found.new)
    yield from (f"gone   {name}" for name in found.gone)
    yield from (f"system {name}: {one:,.1f} → {other:,.1f}" for name, (one, other) in found.system.items())
