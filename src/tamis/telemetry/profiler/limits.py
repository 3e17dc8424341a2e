"""What the profiler keeps, and from when on it recommends something."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilerLimits:
    """Numbers of a PerformanceProfiler."""

    interval_s: float = 5.0
    """Between two samples of the system."""
    samples_max: int = 1_000
    """Samples kept; the oldest go."""
    minutes_max: int = 60
    """Minutes for which functions' figures are kept apart; older calls count in the whole alone."""
    functions_max: int = 1_000
    """Names measured; further ones count together as (other)."""
    paths_max: int = 5_000
    """Ways by which functions were reached, kept for the flame graph; further ones count together."""
    top: int = 10
    """How many names a list of a report holds."""
    cpu_percent: float = 80.0
    """Of the machine's processors, on average: more is worth a word."""
    memory_percent: float = 85.0
    """Of the machine's memory, on average."""
    function_mean_s: float = 1.0
    """A function's call, on average."""
    function_peak_bytes: int = 100_000_000
    """A function's call, at most."""
    threads: int = 50
    """Of this process, at most."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ValueError(f"ProfilerLimits.{field.name} = {value!r}: must be over 0")
