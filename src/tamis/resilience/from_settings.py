"""The limits of breakers that the settings say."""

from tamis.resilience.limits import BreakerLimits
from tamis.settings import BreakerSettings


def breaker_limits(given: BreakerSettings) -> BreakerLimits:
    """What part `breaker` of the settings says; a hard opening is never shorter than an opening."""
    return BreakerLimits(
        failures_to_open=given.failures_to_open,
        open_s=given.open_s,
        half_open_call_s=given.half_open_call_s,
        successes_to_close=given.successes_to_close,
        probes_max=given.probes_max,
        rejections_to_hard_open=given.rejections_to_hard_open,
        hard_open_s=max(given.hard_open_s, given.open_s),
    )
