"""Keeps the server's process lean.

pyarrow and DuckDB import pandas when it is installed, for nothing that Tamis uses; it takes seconds and 60 MB.
Python's cyclic garbage collector looks through the thousands of fresh objects of a body as often as it can, and
finds nothing: a fifth of the time of decoding. pyarrow's own allocator keeps what it once had: at full ingest the
process was 660 MB, with the system's 430 MB, for 165 MB of tables. The system's keeps what threads freed, too, for each
thread its own: after a few questions over 600,000 values the process was 860 MB, of which it used 300.
"""

import ctypes
import gc
import os
import resource
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

GARBAGE_AFTER_OBJECTS = 100_000
SWITCH_INTERVAL_S = 0.001
"""How long a thread keeps the interpreter while others wait: the event loop answers between two pieces of a worker's
work, and has to wait for each."""


LOOK_S = 2.0
GROWN_BYTES = 64 << 20
"""When the process has grown by so much, what it has no use for goes back to the system."""
_MEMORY = Path("/proc/self/statm")


class _Unwanted(MetaPathFinder):
    """Says that pandas is not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise for pandas; no opinion of anything else."""
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is kept out of this process", name=fullname)
        return None


def keep_lean() -> None:
    """From now on pandas counts as not installed in this process, memory comes from the system's allocator, garbage
    is looked for after so many objects that a body seldom makes them, and as many files and connections may be open
    as the system lets it. Call it before pyarrow is imported: what is loaded already stays as it is."""
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # a system may say "any number" and not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(GARBAGE_AFTER_OBJECTS, 50, 20)
    if not any(isinstance(one, _Unwanted) for one in sys.meta_path):
        sys.meta_path.insert(0, _Unwanted())


class Slimmer:
    """Gives memory that is free back to the system while the server runs: a context manager, with a thread.

    It looks every two seconds, and does something only when the process has grown much since it last did; on systems
    that cannot be asked (all but Linux with glibc), never.
    """

    def __init__(
        self, *, resident: Callable[[], int] | None = None, trim: Callable[[], object] | None = None
    ) -> None:
        self._resident, self._trim = resident or resident_bytes, trim or _trimmer()
        self._floor = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tamis-slimmer", daemon=True)

    def look(self) -> None:
        """Give back what is free, if the process has grown."""
        if self._trim is None:
            return
        resident = self._resident()
        if resident - self._floor >= GROWN_BYTES:
            self._trim()
            resident = self._resident()
            self._floor = resident
        self._floor = min(self._floor, resident)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            self.look()

    def __enter__(self) -> "Slimmer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def resident_bytes() -> int:
    """What the process has in memory now; 0 where the system does not say."""
    try:
        return int(_MEMORY.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def _trimmer() -> Callable[[], object] | None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return None if trim is None else lambda: trim(0)
