"""A cache as the settings say."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tamis.cache.base import CacheLevel
from tamis.cache.disk import DiskLevel, DiskLimits
from tamis.cache.extensions import Kind
from tamis.cache.limits import CacheLimits, MemoryLimits
from tamis.cache.multilevel import MultiLevelCache
from tamis.cache.packing import PackingLimits
from tamis.cache.redis import RedisLevel, RedisLimits
from tamis.cache.refreshing import Refresher
from tamis.cache.sizes import size_of
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.settings.cache import CacheSettings


def open_cache(
    settings: CacheSettings,
    name: str,
    *,
    kinds: Mapping[str, Kind] = MappingProxyType({}),
    refresher: Refresher | None = None,
    size: Callable[[Any], int] = size_of,
    clock: Clock = SYSTEM_CLOCK,
) -> MultiLevelCache:
    """A cache for one use, which `name` (letters and digits) stands for: its entries in Redis and on the disk are apart
    from those of others. Nothing is connected or made on the disk but by its follower's first look, which fails
    quietly.
    """
    limits = CacheLimits(
        negative_ttl_s=settings.negative_ttl_s,
        refresh_share=settings.refresh_share,
        wait_s=settings.wait_s,
        lease_s=settings.lease_s,
        follow_interval_s=settings.follow_interval_s,
    )
    memory = MemoryLimits(
        entries_max=settings.entries_max, bytes_max=settings.bytes_max, ttl_s=settings.ttl_s
    )
    levels = slower_levels(settings, name, kinds=kinds, clock=clock)
    return MultiLevelCache(memory, limits, levels=levels, refresher=refresher, size=size, clock=clock)


def slower_levels(
    settings: CacheSettings,
    name: str,
    *,
    kinds: Mapping[str, Kind] = MappingProxyType({}),
    clock: Clock = SYSTEM_CLOCK,
) -> list[CacheLevel]:
    """Redis and the disk, those of them that the settings name."""
    packing = PackingLimits(compress_bytes=settings.compress_bytes, value_bytes_max=settings.value_bytes_max)
    levels: list[CacheLevel] = []
    if settings.redis_url:
        redis = RedisLimits(
            ttl_s=settings.redis_ttl_s,
            bytes_max=settings.redis_bytes_max,
            timeout_s=settings.redis_timeout_s,
        )
        namespace = f"{settings.redis_namespace}:{name}"
        levels.append(
            RedisLevel(
                settings.redis_url, redis, namespace=namespace, packing=packing, kinds=kinds, clock=clock
            )
        )
    if settings.disk is not None:
        disk = DiskLimits(
            ttl_s=settings.disk_ttl_s,
            bytes_max=settings.disk_bytes_max,
            timeout_s=settings.disk_timeout_s,
            reserve_bytes=settings.disk_reserve_bytes,
        )
        levels.append(DiskLevel(settings.disk / name, disk, packing=packing, kinds=kinds, clock=clock))
    return levels
