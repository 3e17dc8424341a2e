"""The parts of the settings that an application's own logging has; one class a part, as in `parts`."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tamis.settings.fields import Spec, choice, flag, folder, seconds, size, special, text, whole
from tamis.settings.kinds import Kind, parse_list, show_list

OFF, ON = False, True
_MORE_LEVELS: Mapping[str, int] = {"TRACE": 5, "NOTICE": 25}
"""Levels that the standard library has no names for."""


def parse_level(value: object) -> int:
    """A level's name, or its number on Python's scale, as the number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    name = str(value).strip().upper()
    number = {**_MORE_LEVELS, **logging.getLevelNamesMapping()}.get(name)
    if number is None and name.isdecimal():
        number = int(name)
    if number is None:
        raise ValueError("must be a level such as DEBUG, INFO, WARNING or ERROR")
    return number


def show_level(value: object) -> str:
    """Its name, if it has one."""
    names = {number: name for name, number in _MORE_LEVELS.items()}
    return names.get(cast(int, value)) or logging.getLevelName(cast(int, value)).removeprefix("Level ")


def severity(default: str, doc: str) -> int:
    """A level of Python's scale."""
    spec = Spec(Kind("level", parse_level, show_level), doc)
    return cast(int, special(parse_level(default), spec))


def sinks(doc: str, *default: str) -> tuple[str, ...]:
    """Where records go: names and URLs, which may hold secrets."""
    spec = Spec(Kind("list of sinks", parse_list, show_list), doc, in_repr=False)
    return cast("tuple[str, ...]", special(default, spec))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What an application logs, and where to."""

    service: str = text("", "The name of the service in every record; empty is the program's name.")
    level: int = severity("INFO", "Records below this level are not made.")
    sinks: tuple[str, ...] = sinks("Where records go: `stderr`, or URLs with commas between them.", "stderr")
    code_level: int = severity("WARNING", "From this level on, records carry file, line and function.")
    queue_records_max: int = whole(20_000, "Records that may wait for the worker.", least=1)
    queue_bytes_max: int = size("64MiB", "Memory (about) that records waiting for a sink may take.", least=1)
    overflow: str = choice(
        "spool",
        "What a full queue does: the disk takes what does not fit, the caller waits, or the lower levels go.",
        "spool",
        "block",
        "drop",
    )
    block_s: float = seconds(
        "1s", "How long a caller waits at most for a full queue, and then drops by level."
    )
    durable: str = choice(
        "off",
        "Whether a record is written before the call returns: safe from a killed process, or also on disk.",
        "off",
        "process",
        "disk",
    )
    unwritten_s: float = seconds(
        "50ms",
        "How long a record may be neither written nor delivered before callers wait; 0 is while there is room.",
    )
    exit_s: float = seconds(
        "5s", "How long the end of the process waits for deliveries; the rest is spooled."
    )
    sigterm: bool = flag(OFF, "Deliver at SIGTERM too, where the program has no handler of its own.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolSettings:
    """What waits for network sinks on disk."""

    folder: Path = folder(
        "~/.local/state/tamis", "The folder of what waits (`spool`) and of what was refused (`dead`)."
    )
    enabled: bool = flag(
        ON,
        "Keep what waits for a network sink on disk, so that it survives the process; else in memory alone.",
    )
    bytes_max: int = size(
        "1GiB", "Disk space for what waits, for each sink; beyond it, memory.", least=1 << 16
    )
    dead_bytes_max: int = size(
        "64MiB", "Disk space for what a sink refused, for each sink; beyond it, dropped."
    )
    part_bytes: int = size("8MiB", "A file of the spool of this size is followed by another.", least=4096)
    reserve_bytes: int = size("64MiB", "Free space on the disk that the spool never uses.")
    adopt_interval_s: float = seconds(
        "10s", "How often to look for what processes that are gone left in the spool.", least=0.01
    )
