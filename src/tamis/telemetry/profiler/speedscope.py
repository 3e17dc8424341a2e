"""Speedscope's file format: stacks with weights, to look at as a flame graph.

Source: https://www.speedscope.app/file-format-schema.json
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

SCHEMA = "https://www.speedscope.app/file-format-schema.json"

Frame = tuple[str, str, int]
"""A function's name, its file (empty: not known) and line (0: not known)."""
Stack = Sequence[Frame]
Weighted = Iterable[tuple[Stack, float]]
"""Stacks, the outermost frame first, with their seconds."""


def safe_name(name: str) -> str:
    """As UTF-8 can carry it: a lone surrogate is written as an escape."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def speedscope(name: str, profiles: Iterable[tuple[str, Weighted]]) -> str:
    """One file of several named profiles."""
    frames: dict[Frame, int] = {}
    made = [_profile(title, stacks, frames) for title, stacks in profiles]
    document = {
        "$schema": SCHEMA,
        "name": name,
        "exporter": "tamis",
        "activeProfileIndex": 0,
        "shared": {"frames": [_frame(one) for one in frames]},
        "profiles": made,
    }
    return msgspec.json.encode(document).decode()


def _profile(title: str, stacks: Weighted, frames: dict[Frame, int]) -> dict[str, Any]:
    samples, weights = [], []
    for stack, weight in stacks:
        samples.append([frames.setdefault(frame, len(frames)) for frame in stack])
        weights.append(weight)
    return {
        "type": "sampled",
        "name": title,
        "unit": "seconds",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }


def _frame(frame: Frame) -> dict[str, Any]:
    name, file, line = frame
    return (
        {"name": safe_name(name)}
        | ({"file": safe_name(file)} if file else {})
        | ({"line": line} if line else {})
    )
