"""Callers' mistakes and hostile values: named at once, and no failure of a level."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tamis.cache.disk import DiskLevel, DiskLimits
from tamis.cache.limits import CacheLimits
from tamis.cache.multilevel import MultiLevelCache
from tamis.cache.packing import PackingLimits
from tamis.cache.redis import RedisLimits
from tamis.errors import ConfigError

PATIENT = DiskLimits(timeout_s=60)
WRONG: dict[str, Callable[[Any], object]] = {
    "key = 1:": lambda cache: cache.set(1, "x"),
    "key = b'k':": lambda cache: cache.set(b"k", "x"),
    "key = None:": lambda cache: cache.set(None, ["x"], ttl_s=1),
    "key = 2:": lambda cache: cache.get(2),
    "key = 3:": lambda cache: cache.get_or_compute(3, lambda: 1 // 0),
    "key = 4:": lambda cache: cache.delete(4),
    "key = 5:": lambda cache: cache.warm_up({5: 1}),
    "tag = None:": lambda cache: cache.set("k", "x", tags=(None,)),
    "tag = 6:": lambda cache: cache.get_or_compute("k", lambda: 1 // 0, tags=["a", 6]),
    "tag = 7:": lambda cache: cache.invalidate_tag(7),
    "prefix = b'p':": lambda cache: cache.invalidate_prefix(b"p"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("has_disk", [False, True])
def test_what_is_no_text_is_refused_before_a_level_sees_it(
    tmp_path: Path, wrong: str, *, has_disk: bool
) -> None:
    """With what it is; again and again, and the level below stays in use."""
    cache = MultiLevelCache(levels=[DiskLevel(tmp_path, PATIENT)] if has_disk else ())
    for _ in range(4):
        with pytest.raises(TypeError, match=wrong):
            WRONG[wrong](cache)
    assert cache.set("k", "good")
    assert cache.health_check()["status"] == "healthy"
    assert len(cache.get_comprehensive_stats()["levels"]) == 1 + has_disk
    cache.close()


class Lazy:
    """A value of which hardly anything can be asked."""

    __slots__ = ("broken",)

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("boom")

    @property
    def nbytes(self) -> int:
        raise RuntimeError("boom")


class Weightless:
    """A value that does not say its size."""

    def __sizeof__(self) -> int:
        raise RuntimeError("boom")


def test_a_value_whose_buffer_cannot_be_asked_is_kept() -> None:
    """By the size that is known."""
    cache, value = MultiLevelCache(), Lazy()
    assert cache.get_or_compute("k", lambda: value) is value
    assert cache.get("k") is value
    assert cache.set("k", [value])


def test_a_value_that_cannot_be_weighed_is_returned_and_not_kept() -> None:
    """Nor is what was there before, and the statistics say why."""
    cache, value = MultiLevelCache(), Weightless()
    cache.set("k", "before")
    assert not cache.set("k", value)
    assert cache.get("k") is None
    assert cache.get_or_compute("k", lambda: value) is value
    assert cache.get("k") is None
    memory = cache.get_comprehensive_stats()["levels"]["memory"]
    assert memory["refused"] == 2
    assert "'k': its size: RuntimeError: boom" in memory["refusal"]


@pytest.mark.parametrize("limits", [DiskLimits, RedisLimits, PackingLimits, CacheLimits])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ttl_s", -1),
        ("ttl_s", 10**400),
        ("entries_max", -5),
        ("bytes_max", "x"),
        ("timeout_s", float("nan")),
        ("timeout_s", float("inf")),
        ("reserve_bytes", -1),
        ("compress_bytes", -1),
        ("value_bytes_max", 0),
        ("wait_s", float("inf")),
        ("lease_s", True),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: Any, key: str, value: object) -> None:
    """With the name and the value; a class that has no such limit says so as Python does."""
    wanted = ConfigError if key in limits.__dataclass_fields__ else TypeError
    with pytest.raises(wanted, match=key):
        limits(**{key: value})
