"""Chance that a seed decides."""

import random


def dice(seed: int, *names: object) -> random.Random:
    """A source of chance of its own for each purpose, so that none moves another's."""
    text = " ".join(map(str, (seed, *names)))
    return random.Random(text)  # noqa: S311 -- customers and faults of a demonstration, no secret
