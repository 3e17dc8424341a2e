"""All contenders in turns, each time in a process of its own: medians, least values and ratios."""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.measure import load
from benchmarks.pipeline.contenders import CONTENDERS, DURABLE

REFERENCE: Final = "QueueHandler + QueueListener + json"
OURS: Final = "tamis"
STOCK: Final = ("tamis, standard logger", "tamis, logger of another class")
"""The standard way into Tamis, for which there is a goal."""
ROUNDS: Final = 5
ROUNDS_FEW: Final = 2
ROUNDS_RATIO: Final = 9
"""For the two whose ratio is a goal: single runs differ by a fifth on machines that others share."""
_GOALS: Final = frozenset((REFERENCE, OURS, *STOCK))
_SECONDS_MAX: Final = 120

Figures = dict[str, Any]


def run() -> Figures:
    """Everything this part of the benchmark measures."""
    both = (REFERENCE, OURS)
    return {
        "ends": _in_turns({name: _rounds_of(name) for name in CONTENDERS}, "ends"),
        "caller": _in_turns({name: ROUNDS_FEW if name in both else 1 for name in CONTENDERS}, "caller"),
        "secrets": _in_turns(dict.fromkeys(both, ROUNDS), "secrets"),
        "burst": _in_turns(dict.fromkeys(both, 1), "burst"),
        "durable": _in_turns(dict.fromkeys(DURABLE, 1), "durable"),
        "start": _middle([_printed("benchmarks.pipeline.start") for _ in range(ROUNDS)]),
        "load": load(),
    }


def _rounds_of(name: str) -> int:
    if name in (REFERENCE, OURS):
        return ROUNDS_RATIO
    return ROUNDS if name in _GOALS else ROUNDS_FEW


def _in_turns(rounds: Mapping[str, int], what: str) -> dict[str, Figures]:
    """Round by round, one contender after the other and every second round the other way round, so that what else
    the machine does, and what it grants to whoever comes first, meets all.
    """
    made: dict[str, list[Figures]] = {name: [] for name in rounds}
    for done in range(max(rounds.values())):
        for name in (*made,) if done % 2 == 0 else reversed(made):
            if done < rounds[name]:
                made[name].append(_printed("benchmarks.pipeline.trial", name, "--what", what))
    return {name: _middle(runs) for name, runs in made.items()}


def _printed(module: str, *arguments: str) -> Figures:
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=_SECONDS_MAX)
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def _middle(runs: list[Figures]) -> Figures:
    """The median of each figure, and as `least` the least of each; what is no number is the last run's."""
    last = runs[-1]
    numbers = [name for name, value in last.items() if isinstance(value, int | float)]
    least = {name: min(run[name] for run in runs) for name in numbers}
    return {
        **last,
        **{name: statistics.median(run[name] for run in runs) for name in numbers},
        "least": least,
    }
