"""The ledger: what happened, kept so that nobody can change it unseen."""

import os
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.errors import DiskError, JournalClosedError, LedgerError
from tamis.integrity.ledger.chain import Chain, Place, may_prune, take_chain, try_chain
from tamis.integrity.ledger.layout import Layout
from tamis.integrity.ledger.options import LedgerOptions
from tamis.integrity.ledger.signing import Signer

_Result = TypeVar("_Result")


class Ledger:
    """A ledger open for writing; open it with `open_ledger`. Usable with `with`. Thread-safe.

    Each writer has a chain of its own, so writers never wait for each other: a process, and a forked child as
    soon as it writes. A chain that its writer has closed, or died with, is taken up by the next one.

    It has no thread: what is due (sync, checkpoint) is done by the `append` that finds it due, and by `tick`,
    which its owner calls now and then. A write or sync that fails closes it for good: JournalClosedError,
    then and at every later call, so that whoever must be audited can be stopped.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lock, self._sync_lock = threading.Lock(), threading.Lock()
        self._chain: Chain | None = take_chain(place)
        self._closed_because = ""
        self._synced = self._chain.entries
        self._synced_at_s = self._vouched_at_s = place.clock.monotonic_s()
        _open_ledgers.add(self)

    def append(self, entry: Mapping[str, Any], *, durable: bool = False) -> int:
        """Write an entry of JSON values; its number in this writer's chain.

        With `durable` it is safe on return (threads that ask at once share a sync); without, within
        `sync_interval_s` of the next `append` or `tick`. LedgerError for an entry that is no JSON or too
        large: nothing was written, and the ledger goes on.
        """
        with self._lock:
            chain = self._open_chain()
            number = self._guarded(lambda: chain.append(dict(entry)))
            self._do_what_is_due(chain)
        if durable:
            self._sync_to(chain, number)
        return number

    def tick(self) -> None:
        """Do what is due: sync, checkpoint. Cheap when nothing is."""
        with self._lock:
            if self._chain is not None and not self._closed_because:
                self._do_what_is_due(self._chain)

    def sync(self) -> None:
        """Make every entry safe whose `append` returned."""
        with self._lock:
            chain = self._open_chain()
        self._sync_to(chain, chain.entries)

    def checkpoint(self) -> None:
        """Make every entry safe, and vouch for all of them with a signature."""
        with self._lock:
            self._vouch(self._open_chain())

    def prune(self) -> int:
        """Remove what is older than it is to be kept, also in chains that nobody writes to; how many files.

        Where something was removed, a signed anchor says where the chain begins now. Damaged chains stay.
        """
        with self._lock:
            own = self._open_chain()
            self._guarded(own.begin_next_if_old)
            removed = own.prune()
        place = self._place
        for name in place.layout.chains(place.disk):
            if name != own.name and place.disk.exists(place.layout.chain(name)):
                removed += _prune_other(place, name)
        return removed

    def close(self) -> None:
        """Make every entry safe, vouch for all, and leave the chain to the next writer. Idempotent."""
        with self._lock, self._sync_lock:
            chain, self._chain = self._chain, None
            failed, self._closed_because = self._closed_because, self._closed_because or "it was closed"
            if chain is not None and failed:
                chain.let_go()
            elif chain is not None:
                chain.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def forget(self) -> None:
        """In a forked child: the chain is the parent's; the next entry goes to a chain of the child's own."""
        self._lock, self._sync_lock = threading.Lock(), threading.Lock()
        if self._chain is not None:
            self._chain.forget()
            self._chain = None

    def _open_chain(self) -> Chain:
        if self._closed_because:
            raise JournalClosedError(
                f"the ledger {self._place.layout.folder} takes nothing more: {self._closed_because}; "
                "look at its disk, then open it again"
            )
        if self._chain is None:
            self._chain = take_chain(self._place)
            self._synced = self._chain.entries
        return self._chain

    def _do_what_is_due(self, chain: Chain) -> None:
        now_s, options = self._place.clock.monotonic_s(), self._place.options
        if chain.unvouched and (
            chain.unvouched >= options.checkpoint_entries
            or now_s - self._vouched_at_s >= options.checkpoint_interval_s
        ):
            self._vouch(chain)
        elif self._synced < chain.entries and now_s - self._synced_at_s >= options.sync_interval_s:
            self._guarded(chain.sync)
            self._synced, self._synced_at_s = chain.entries, now_s

    def _vouch(self, chain: Chain) -> None:
        self._guarded(chain.checkpoint)
        self._synced = chain.entries
        self._vouched_at_s = self._synced_at_s = self._place.clock.monotonic_s()

    def _sync_to(self, chain: Chain, number: int) -> None:
        with self._sync_lock:
            if self._synced >= number:
                return
            reached = chain.entries
            self._guarded(chain.sync)
            self._synced = max(self._synced, reached)

    def _guarded(self, work: Callable[[], _Result]) -> _Result:
        """Do it; when the disk refuses, remember that nothing more is taken."""
        try:
            return work()
        except DiskError as error:
            self._closed_because = str(error)
            if isinstance(error, JournalClosedError):
                raise
            raise JournalClosedError(f"{error}; the ledger takes nothing more") from error
        except LedgerError:
            raise
        except BaseException:  # Ctrl-C, say: what is on the disk is known again when the chain is taken anew
            if self._chain is not None:
                self._chain.let_go()
                self._chain = None
            raise


def _prune_other(place: Place, name: str) -> int:
    if not may_prune(place, name):
        return 0
    chain = try_chain(place, name)
    if chain is None:
        return 0
    try:
        chain.begin_next_if_old()
        return chain.prune()
    finally:
        chain.close()


def open_ledger(
    disk: Disk,
    folder: Path,
    *,
    heads: Path,
    signer: Signer | None,
    clock: Clock = SYSTEM_CLOCK,
    options: LedgerOptions | None = None,
) -> Ledger:
    """A ledger in `folder`, made where absent; its signed heads in `heads`, best on another disk.

    Without a signer (and the extra ``crypto``) entries are chained all the same, but whoever can write all
    the files can write the chain anew.
    """
    return Ledger(Place(disk, Layout(folder, heads), signer, clock, options or LedgerOptions()))


_open_ledgers: "weakref.WeakSet[Ledger]" = weakref.WeakSet()


def _forget_in_child() -> None:
    for ledger in list(_open_ledgers):
        ledger.forget()


os.register_at_fork(after_in_child=_forget_in_child)
