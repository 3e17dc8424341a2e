"""The cache is a dictionary with time, whatever is done in whatever order."""

from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tamis.cache.disk import DiskLevel, DiskLimits
from tamis.cache.limits import CacheLimits, MemoryLimits
from tamis.cache.memory import ENTRY_BYTES, MemoryLevel
from tamis.cache.multilevel import MultiLevelCache
from tests.support.hand_clock import HandClock

KEYS = st.sampled_from(["a", "a:1", "a:2", "b", "b:1", "ü"])
ASCII_KEYS = st.sampled_from(["a", "bb", "ccc", "dddd", "eeeee", "ffffff"])
VALUES = st.none() | st.integers() | st.text() | st.lists(st.integers())
TTLS = st.none() | st.integers(1, 40)
WHO = st.integers(0, 1)
TAGS = st.lists(st.sampled_from("xyz"), unique=True)


class CacheAgainstDictionary(RuleBasedStateMachine):
    """Entries: value, instant of its end, tags. Room is never short here."""

    @initialize(has_lower=st.booleans())
    def begin(self, has_lower: bool) -> None:
        self.clock, self.now = HandClock(), 0
        self.kept: dict[str, tuple[object, int, list[str]]] = {}
        levels = [MemoryLevel(MemoryLimits(ttl_s=20), clock=self.clock)] if has_lower else []
        if levels:
            levels[0].name = "lower"
        limits = CacheLimits(negative_ttl_s=5, refresh_share=0)
        self.cache = MultiLevelCache(MemoryLimits(ttl_s=20), limits, levels=levels, clock=self.clock)

    def alive(self) -> dict[str, tuple[object, int, list[str]]]:
        self.kept = {key: entry for key, entry in self.kept.items() if entry[1] > self.now}
        return self.kept

    def keep(self, key: str, value: object, ttl: int | None, tags: list[str]) -> None:
        seconds = 20 if ttl is None else ttl
        end = self.now + (min(seconds, 5) if value is None else seconds)
        self.kept[key] = (value, end, tags)

    @rule(key=KEYS, value=VALUES, ttl=TTLS, tags=TAGS)
    def set(self, key: str, value: object, ttl: int | None, tags: list[str]) -> None:
        assert self.cache.set(key, value, ttl_s=ttl, tags=tags)
        self.keep(key, value, ttl, tags)

    @rule(key=KEYS, value=VALUES, ttl=TTLS, tags=TAGS)
    def get_or_compute(self, key: str, value: object, ttl: int | None, tags: list[str]) -> None:
        if key not in self.alive():
            self.keep(key, value, ttl, tags)
        assert self.cache.get_or_compute(key, lambda: value, ttl_s=ttl, tags=tags) == self.kept[key][0]

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        assert self.cache.delete(key) == (self.alive().pop(key, None) is not None)

    @rule(prefix=st.sampled_from(["a", "a:", "b:1", "c", ""]))
    def invalidate_prefix(self, prefix: str) -> None:
        gone = [key for key in self.alive() if key[: len(prefix)] == prefix]
        assert self.cache.invalidate_prefix(prefix) == len(gone)
        for key in gone:
            del self.kept[key]

    @rule(tag=st.sampled_from("xyz"))
    def invalidate_tag(self, tag: str) -> None:
        gone = [key for key, entry in self.alive().items() if tag in entry[2]]
        assert self.cache.invalidate_tag(tag) == len(gone)
        for key in gone:
            del self.kept[key]

    @rule()
    def clear(self) -> None:
        assert self.cache.clear() == len(self.alive())
        self.kept = {}

    @rule(seconds=st.integers(1, 10))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        self.clock.pass_s(seconds)

    @invariant()
    def it_has_what_the_dictionary_has(self) -> None:
        if not hasattr(self, "cache"):
            return
        alive = self.alive()
        for key in ("a", "a:1", "a:2", "b", "b:1", "ü", "never"):
            value = alive[key][0] if key in alive else None
            assert self.cache.get(key, "default") == ("default" if value is None else value)


class ProcessesAgainstDictionary(RuleBasedStateMachine):
    """Two caches over one folder, as two processes have them: one dictionary, once each has caught up."""

    @initialize()
    def begin(self) -> None:
        self.clock, self.folder = HandClock(), TemporaryDirectory()
        self.kept: dict[str, tuple[object, list[str]]] = {}
        limits = CacheLimits(refresh_share=0, follow_interval_s=3_600, negative_ttl_s=3_600)
        disk = DiskLimits(timeout_s=60)
        self.caches = [
            MultiLevelCache(
                levels=[DiskLevel(self.folder.name, disk, clock=self.clock)], limits=limits, clock=self.clock
            )
            for _ in range(2)
        ]

    def teardown(self) -> None:
        if hasattr(self, "caches"):
            for cache in self.caches:
                cache.close()
            self.folder.cleanup()

    def catch_up(self) -> None:
        for cache in self.caches:
            cache.catch_up()

    @rule(who=WHO, key=KEYS, value=VALUES, tags=TAGS)
    def set(self, who: int, key: str, value: object, tags: list[str]) -> None:
        self.caches[who].set(key, value, tags=tags)
        self.kept[key] = (value, tags)
        self.catch_up()

    @rule(
        who=WHO,
        key=KEYS,
        value=VALUES,
        tags=TAGS,
        change=st.sampled_from(["", "key", "prefix", "tag", "clear"]),
    )
    def compute(self, who: int, key: str, value: object, tags: list[str], change: str) -> None:
        """While one computes the other one changes something."""
        other = self.caches[1 - who]

        def work() -> object:
            if change == "key":
                other.set(key, "newer")
            elif change == "prefix":
                other.invalidate_prefix(key[:1])
            elif change == "tag":
                other.invalidate_tag("x")
            elif change == "clear":
                other.clear()
            return value

        is_kept = key in self.kept
        wanted = self.kept[key][0] if is_kept else value
        assert self.caches[who].get_or_compute(key, work, tags=tags) == wanted
        self.catch_up()
        if is_kept:
            return
        if change == "clear":
            self.kept = {}
        elif change == "prefix":
            self.kept = {name: entry for name, entry in self.kept.items() if name[:1] != key[:1]}
        elif change == "tag":
            self.kept = {name: entry for name, entry in self.kept.items() if "x" not in entry[1]}
        elif change == "key":
            self.kept[key] = ("newer", [])
        if not change or (change == "tag" and "x" not in tags):
            self.kept[key] = (value, tags)

    @rule(who=WHO, key=KEYS)
    def delete(self, who: int, key: str) -> None:
        assert self.caches[who].delete(key) == (self.kept.pop(key, None) is not None)
        self.catch_up()

    @rule(who=WHO, tag=st.sampled_from("xyz"))
    def invalidate_tag(self, who: int, tag: str) -> None:
        gone = [key for key, entry in self.kept.items() if tag in entry[1]]
        assert self.caches[who].invalidate_tag(tag) == len(gone)
        for key in gone:
            del self.kept[key]
        self.catch_up()

    @invariant()
    def both_have_what_the_dictionary_has(self) -> None:
        if not hasattr(self, "caches"):
            return
        for cache in self.caches:
            for key in ("a", "a:1", "b", "ü"):
                value = self.kept[key][0] if key in self.kept else None
                assert cache.get(key, "default") == ("default" if value is None else value)


class LeastRecentlyUsed(RuleBasedStateMachine):
    """With little room and no end of time: exactly the most recently used are there, as many as have room."""

    @initialize()
    def begin(self) -> None:
        limits = MemoryLimits(entries_max=4, bytes_max=2_000)
        self.level = MemoryLevel(limits, size=int, clock=HandClock())
        self.kept: list[tuple[str, int]] = []

    def bytes(self) -> int:
        return sum(size + len(key) + ENTRY_BYTES for key, size in self.kept)

    @rule(key=ASCII_KEYS, size=st.integers(0, 2_500))
    def write(self, key: str, size: int) -> None:
        self.kept = [entry for entry in self.kept if entry[0] != key]
        has_room = size + len(key) + ENTRY_BYTES <= 2_000
        assert self.level.write(key, size, ttl_s=1e9) is has_room
        if has_room:
            self.kept.append((key, size))
        while len(self.kept) > 4 or self.bytes() > 2_000:
            del self.kept[0]

    @rule(key=ASCII_KEYS)
    def read(self, key: str) -> None:
        found = self.level.read(key)
        entry = next((entry for entry in self.kept if entry[0] == key), None)
        assert (found is None) == (entry is None)
        if entry is not None:
            self.kept.remove(entry)
            self.kept.append(entry)

    @rule(key=ASCII_KEYS)
    def remove(self, key: str) -> None:
        assert self.level.remove(key) == any(entry[0] == key for entry in self.kept)
        self.kept = [entry for entry in self.kept if entry[0] != key]

    @invariant()
    def it_has_what_was_used_last(self) -> None:
        if not hasattr(self, "level"):
            return
        found = self.level.statistics()
        assert (found.entries, found.bytes) == (len(self.kept), self.bytes())
        assert all(self.level.peek(key) is not None for key, _ in self.kept)


TestCacheAgainstDictionary = CacheAgainstDictionary.TestCase
TestCacheAgainstDictionary.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestProcessesAgainstDictionary = ProcessesAgainstDictionary.TestCase
TestProcessesAgainstDictionary.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestLeastRecentlyUsed = LeastRecentlyUsed.TestCase
TestLeastRecentlyUsed.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
