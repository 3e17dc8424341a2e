"""Two engines: the one that is better while it works, the other one while it does not.

python examples/fallback.py
"""

import sys

from tamis import RuntimeManager
from tamis.resilience.limits import BreakerLimits


class Remote:
    """A server with a GPU, which is away for a while."""

    name = "remote"
    is_away = False

    def similarity(self, one: str, other: str) -> float:
        if self.is_away:
            raise ConnectionRefusedError("nobody listens")
        return len(set(one.split()) & set(other.split())) / len(set(one.split()) | set(other.split()))


class Local:
    """This machine: worse, and always there."""

    name = "local"

    def similarity(self, one: str, other: str) -> float:
        return float(one == other)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> None:
    remote = Remote()
    limits = BreakerLimits(failures_to_open=3, open_s=60.0, half_open_call_s=5.0)
    engines: RuntimeManager[Remote | Local] = RuntimeManager(
        remote, Local(), name="similarity", limits=limits
    )

    def ask() -> float:
        return engines.run(lambda engine: engine.similarity("disk is full", "disk is almost full"))

    say(f"remote: {ask():.2f}")
    remote.is_away = True
    answers = [ask() for _ in range(5)]  # three are tried there first, two go straight to the other engine
    say(f"local: {answers[-1]:.2f}, fallback mode: {engines.is_in_fallback_mode()}")

    remote.is_away = False
    engines.reset()  # or wait: after 60 s two calls are tried there, and when both work, all others follow
    say(f"remote: {ask():.2f}")
    for role, counts in engines.get_metrics()["engines"].items():
        say(f"{role}: {counts['calls']} calls, {counts['failures']} failures")


if __name__ == "__main__":
    main()
