"""What a check finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from tamis.settings import Settings

State = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `advice` says what to do when it is not ok."""

    what: str
    state: State
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at: the settings, and the data folder they mean."""

    settings: Settings
    folder: Path


Check: TypeAlias = Callable[[Patient], Iterator[Finding]]
