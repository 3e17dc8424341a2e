"""Rows of what is remembered of alert rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec


class RuleRow(msgspec.Struct, frozen=True):
    """A rule as it is kept: `data` is its JSON. Up to `seen_seq` and `evaluated_ns` everything was looked at."""

    name: str
    data: bytes
    created_ns: int
    changed_ns: int
    changed_by: str
    seen_seq: int | None = None
    evaluated_ns: int | None = None


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that holds for one group of records, from its first notice until it is forgotten.

    `key` names the group among those of its rule, `labels` say what is common to its records. It held in windows
    that end at `first_ns` to `held_ns`; `began_ns` is its first record, or when that began to hold. `told` counts its
    notices, the newest at `told_ns`; `is_over`: nothing more follows. `value` is the newest that was told, or the
    highest before.
    """

    id: str
    rule: str
    key: str
    labels: dict[str, Any] = {}
    first_ns: int
    held_ns: int
    began_ns: int | None = None
    value: float
    told: int = 0
    told_ns: int = 0
    is_over: bool = False


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A notice on its way to one channel. `id` is the same for each try, and for each channel; `payload` is JSON, and
    empty where only the place in the queue was asked for.
    """

    number: int = 0
    id: str
    rule: str
    channel: str
    payload: bytes = b""
    created_ns: int
    attempts: int = 0
    next_ns: int


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is told from `from_ns` until `until_ns` of rules whose name fits `rule` (``*`` stands for any text) and
    of groups that have all of `labels`.
    """

    id: str
    rule: str
    labels: dict[str, str]
    from_ns: int
    until_ns: int
    reason: str
    made_by: str
    made_ns: int


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the history."""

    number: int = 0
    at_ns: int
    rule: str
    what: str
    detail: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Change:
    """What one evaluation of a rule came to; kept all together or not at all. `changed_ns` says of which form of it."""

    rule: str
    changed_ns: int
    seen_seq: int
    evaluated_ns: int
    incidents: Sequence[Incident] = ()
    forgotten: Sequence[str] = ()
    waiting: Sequence[Waiting] = ()
    happened: Sequence[Happened] = ()
