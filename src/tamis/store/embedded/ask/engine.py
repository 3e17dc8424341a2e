"""DuckDB behind a door: bounded in memory, threads, time and number of questions at once; able to open nothing
but the store's own segments."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from tamis.errors import DamageError, QueryCancelledError, QueryTimeoutError, QueryTooLargeError
from tamis.store.base import Budget
from tamis.store.embedded.ask.decide import Decider
from tamis.store.embedded.ask.kept import KeptGroups
from tamis.store.embedded.ask.remembered import FoundRows

_TICK_S = 0.02


class Engine:
    """What the answers of one store share. Thread-safe."""

    def __init__(
        self,
        segments: Path,
        *,
        memory_bytes: int = 300 << 20,
        threads: int = 2,
        heavy_max: int = 4,
        shapes_max: int = 500_000,
        kept_bytes: int = 0,
    ) -> None:
        self.decider = Decider(shapes_max)
        self.found = FoundRows()
        self.kept = KeptGroups(kept_bytes)
        self._free = threading.Semaphore(heavy_max)
        self._database = duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": f"{memory_bytes // 1024}KiB",
                "temp_directory": "",
                "preserve_insertion_order": True,
            }
        )
        self._database.execute("SET allowed_directories = [$folder]", {"folder": f"{segments}/"})
        for setting in (
            "enable_external_access = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "lock_configuration = true",
        ):
            self._database.execute(f"SET {setting}")
        self._watch = _Watch()

    def forget(self) -> None:
        """Keep nothing of what segments held: one of them has other bytes now."""
        self.found.forget()
        self.kept.forget()

    def close(self) -> None:
        """No more questions."""
        self._watch.stop()
        self._database.close()

    @contextmanager
    def turn(self, budget: Budget) -> Iterator[None]:
        """One of the places for heavy questions; waits for a free one as long as the budget lasts."""
        while not self._free.acquire(timeout=min(_TICK_S, budget.remaining_s())):
            pass
        try:
            yield
        finally:
            self._free.release()

    def run(
        self, sql: str, parameters: Mapping[str, Any], tables: Mapping[str, pa.Table], budget: Budget
    ) -> pa.Table:
        """The result of one statement over segments and `tables`."""
        with self.turn(budget), self._database.cursor() as cursor:
            for name, table in tables.items():
                cursor.register(name, table)
            with self._watch.over(cursor, budget):
                return _execute(cursor, sql, parameters, budget)


def _execute(cursor: Any, sql: str, parameters: Mapping[str, Any], budget: Budget) -> pa.Table:
    try:
        return cursor.sql(sql, params=dict(parameters)).to_arrow_table()
    except duckdb.InterruptException:
        budget.remaining_s()
        raise QueryCancelledError("the query was interrupted") from None
    except duckdb.OutOfMemoryException as error:
        raise QueryTooLargeError(
            "the query needs more memory than query.memory_bytes allows; narrow its time range or its groups"
        ) from error
    except duckdb.IOException as error:
        raise DamageError("a segment", str(error)) from error


class _Watch:
    """Interrupts questions that ran out of time or were called off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, tuple[Any, Budget]] = {}
        self._wake = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, cursor: Any, budget: Budget) -> Iterator[None]:
        """Watch a cursor while it works."""
        budget.remaining_s()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="tamis-query-watch", daemon=True)
                self._thread.start()
            self._running[id(cursor)] = (cursor, budget)
        self._wake.set()
        try:
            yield
        finally:
            with self._lock:
                del self._running[id(cursor)]

    def stop(self) -> None:
        """End the watching thread."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        tick = threading.Event()
        while not self._stopped:
            self._wake.wait()
            tick.wait(_TICK_S)
            with self._lock:
                if not self._running and not self._stopped:
                    self._wake.clear()
                for cursor, budget in self._running.values():
                    if _is_over(budget):
                        cursor.interrupt()


def _is_over(budget: Budget) -> bool:
    try:
        budget.remaining_s()
    except (QueryTimeoutError, QueryCancelledError):
        return True
    return False
