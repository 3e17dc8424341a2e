"""What a cache says of its levels: whether they work, what they hold, what happened in them."""

from dataclasses import asdict
from typing import Any

from tamis.cache.lower import LowerLevels
from tamis.cache.memory import MemoryLevel
from tamis.resilience.machine import BreakerState


def health_of(memory: MemoryLevel, lower: LowerLevels) -> dict[str, Any]:
    """`status`, and for each of `levels` whether it is `ok`; each is asked, for its time limit at most."""
    levels: dict[str, dict[str, Any]] = {memory.name: {"ok": True, "error": None}}
    for level in lower.levels:
        state = lower.breakers[level.name].state
        try:
            lower.look(level, level.check)
            error = None
        except Exception as raised:  # the edge: what is wrong is the answer
            error = f"{type(raised).__name__}: {raised}"
        is_ok = error is None and state in (BreakerState.CLOSED, BreakerState.HALF_OPEN)
        levels[level.name] = {"ok": is_ok, "error": error, "breaker": state.value}
    is_healthy = all(level["ok"] for level in levels.values())
    return {"status": "healthy" if is_healthy else "degraded", "levels": levels}


def statistics_of(memory: MemoryLevel, lower: LowerLevels) -> dict[str, dict[str, Any]]:
    """Counts and sizes by level; of one that is away its error."""
    levels: dict[str, dict[str, Any]] = {}
    for level in (memory, *lower.levels):
        try:
            is_here = level is memory
            found = level.statistics() if is_here else lower.look(level, level.statistics)
        except Exception as raised:  # the edge: a level that is away has no counts
            levels[level.name] = {"error": f"{type(raised).__name__}: {raised}"}
            continue
        reads = found.counts.hits + found.counts.misses
        rate = found.counts.hits / reads if reads else None
        levels[level.name] = {
            "entries": found.entries,
            "bytes": found.bytes,
            "hit_rate": rate,
            **asdict(found.counts),
            "refusal": found.refusal,
        }
    for name, errors in lower.errors.items():
        levels[name].update(errors=errors, last_error=lower.last_errors.get(name, ""))
    return levels
