"""When Tamis stops calling what fails: sinks, and the channels of a server's alerts (SPEC R4)."""

from dataclasses import dataclass

from tamis.settings.fields import seconds, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """Circuit breakers round sinks and channels of alerts. `CircuitBreaker` for your own use has limits of its own."""

    failures_to_open: int = whole(
        4,
        "So many failures, less one for each success, open a breaker: nothing is tried for a while.",
        least=1,
    )
    open_s: float = seconds("10s", "How long nothing is tried; then a trial is let through.", least=0.001)
    half_open_call_s: float = seconds("5s", "How long a trial may take.", least=0.001)
    successes_to_close: int = whole(1, "So many trials that work close a breaker again.", least=1)
    probes_max: int = whole(1, "Trials at a time.", least=1)
    rejections_to_hard_open: int = whole(
        5, "So often work was refused because of an overload: a breaker opens hard.", least=1
    )
    hard_open_s: float = seconds(
        "300s", "How long nothing is tried then; no shorter than `breaker.open_s`.", least=0.001
    )
