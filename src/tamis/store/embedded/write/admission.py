"""Who may append: memory and disk are bounded, and what does not fit is refused before any work."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tamis.disk.base import Disk
from tamis.disk.space import require_space
from tamis.errors import NoSpaceError, OverloadedError
from tamis.record.model import Columns
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.options import StoreOptions

_RECORD_BYTES = 512
"""What a record takes while it is taken in, about."""
_LITTLE = 8
"""What takes more than all memory for hot records waits until they take only this part of it."""


class Admission:
    """Counts the memory of batches on their way in. Thread-safe.

    `make_room` is called for each batch that is refused: it has hot records sealed, and says how long that
    takes, in seconds.
    """

    def __init__(
        self,
        disk: Disk,
        layout: Layout,
        options: StoreOptions,
        *,
        hot_bytes: Callable[[], int],
        make_room: Callable[[], float],
    ) -> None:
        self._disk, self._layout, self._options = disk, layout, options
        self._hot_bytes, self._make_room = hot_bytes, make_room
        self._lock = threading.Lock()
        self.in_flight_bytes = 0
        self.refused = 0
        self._full: NoSpaceError | None = None

    @property
    def full(self) -> str | None:
        """Why nothing is taken in, when the disk was full for the last batch and still is."""
        full = self._full
        if full is not None and self._disk.free_bytes(self._layout.folder) >= full.needed:
            full = self._full = None
        return None if full is None else f"nothing is taken in, questions are answered: {full}"

    @contextmanager
    def room_for(self, batch: Columns) -> Iterator[None]:
        """Room for a batch while it is taken in. Raises OverloadedError and NoSpaceError.

        A batch that is too large for all of it is taken when little else is there, so that none waits for ever.
        """
        size = batch.length * _RECORD_BYTES
        refused = self._enter(size)
        if refused is not None:
            raise OverloadedError(refused, self._make_room())
        try:
            require_space(self._disk, self._layout.folder, size, self._options.disk_reserve_bytes)
            yield
            self._full = None
        except NoSpaceError as error:
            self._full = error
            raise
        finally:
            with self._lock:
                self.in_flight_bytes -= size

    def _enter(self, size: int) -> str | None:
        """Count a batch in, or say why not."""
        limit = self._options.hot_bytes_max
        free_at = limit // _LITTLE if size > limit else limit - size
        with self._lock:
            used = self.in_flight_bytes + self._hot_bytes()
            if used <= free_at:
                self.in_flight_bytes += size
                return None
            self.refused += 1
        return (
            f"records that are not yet in segments take {used:,} of {limit:,} bytes (store.hot_bytes_max) and are "
            f"sealed now; this batch takes about {size:,} and fits when they take no more than {free_at:,}"
        )
