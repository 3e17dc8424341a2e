"""The repair of an open store: every byte is looked at, what is damaged is mended, and what cannot be is named."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

from tamis.disk.space import require_space
from tamis.errors import DiskError, OverloadedError
from tamis.integrity.mirrors import Mirrors
from tamis.integrity.sources.base import Source
from tamis.store.embedded.format.manifest import Loss, Manifest, SegmentEntry, with_accepted
from tamis.store.embedded.format.segment_files import damage_of, digest_of_file
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.live.losses import describe
from tamis.store.embedded.recovery.quarantine import files_in, set_apart
from tamis.store.embedded.repair.elsewhere import OtherStore, stores_of
from tamis.store.embedded.repair.fetch import Fetcher
from tamis.store.embedded.repair.journals import JournalRescuer
from tamis.store.embedded.repair.report import Mended, Missing, Repaired
from tamis.store.embedded.repair.rescue import Rescuer
from tamis.store.embedded.repair.segments import SegmentMender, files_of
from tamis.telemetry import status
from tamis.telemetry.status_work import Work

_BUSY_RETRY_S = 30.0
_WAIT_STEP_S = 0.25


class Repairer:
    """Repairs a store while it goes on. One repair at a time; a second is refused. Thread-safe.

    Every step leaves a folder that opens: a damaged segment is set aside in the manifest first, its files are put in
    place whole, and then the manifest takes it back. So a repair that was killed is begun again, and a repair of what
    is whole changes nothing.
    """

    def __init__(self, shop: Workshop, journals: JournalRescuer, seal: Callable[[], int]) -> None:
        self._shop, self._journals, self._seal = shop, journals, seal
        self._one, self._stopped = threading.Lock(), threading.Event()

    def stop(self) -> None:
        """A repair that waits for a mirror gives it up."""
        self._stopped.set()

    def _wait(self, seconds: float) -> bool:
        """Let time pass; True when the store is closed meanwhile."""
        while seconds > 0 and not self._stopped.is_set():
            self._shop.clock.sleep(min(seconds, _WAIT_STEP_S))
            seconds -= _WAIT_STEP_S
        return self._stopped.is_set()

    def repair(self, sources: Sequence[Source] = (), *, accept_losses: bool = False) -> Repaired:
        """Look at every byte, mend what can be mended, set apart what cannot.

        `sources` are other copies of the folder; `accept_losses` takes note of what stays lost, so that answers no
        longer warn of it. Raises NoSpaceError before anything is written, OverloadedError while another repair runs.
        """
        with self._alone():
            mirrors = Mirrors(sources, clock=self._shop.clock, wait=self._wait)
            total = sum(one.bytes + one.tally_bytes for one in self._shop.catalog.manifest.segments)
            with status.doing("repair", total=total, unit="bytes") as work:
                self._find_damage(work)
                return self._mend(mirrors, accept_losses=accept_losses)

    def mend_known(self, sources: Sequence[Source]) -> Repaired:
        """Mend what is known to be lost, without looking for more."""
        with self._alone():
            return self._mend(Mirrors(sources, clock=self._shop.clock, wait=self._wait))

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._one.acquire(blocking=False):
            raise OverloadedError("a repair of this folder is under way", _BUSY_RETRY_S)
        try:
            yield
        finally:
            self._one.release()

    def _find_damage(self, work: Work) -> None:
        """Set aside every live segment that is not as it was written."""
        shop = self._shop
        for entry in shop.catalog.manifest.segments:
            try:
                problem = damage_of(shop.disk, shop.layout, entry)
            except DiskError as error:
                problem = str(error)
            if problem is not None and entry in shop.catalog.manifest.segments:
                shop.catalog.set_aside(entry.name, problem)
            work.advance(entry.bytes + entry.tally_bytes, entry.name)

    def _mend(self, mirrors: Mirrors, *, accept_losses: bool = False) -> Repaired:
        shop = self._shop
        if not shop.catalog.manifest.losses:
            self._clear_quarantine()
            return Repaired(quarantined=self._quarantined())
        aside = self._aside()
        self._require_space(aside)
        fetcher = Fetcher(shop.disk, shop.layout, mirrors)
        wanted = frozenset(file.sha256 for entry in aside for file in files_of(shop, entry))
        mender = SegmentMender(shop, fetcher, wanted)
        mended = [one for one in map(mender.mend, aside) if one is not None]
        problems = list(fetcher.problems)
        if shop.catalog.manifest.losses and mirrors.all:
            mended += self._rescue(mirrors, problems)
        accepted = self._accept() if accept_losses else ()
        for entry in self._aside():
            self._set_apart_segment(entry)
        self._clear_quarantine()
        return Repaired(
            mended=tuple(mended),
            missing=tuple(map(_missing, shop.catalog.manifest.losses)),
            accepted=accepted,
            quarantined=self._quarantined(),
            problems=tuple(dict.fromkeys(problems)),
        )

    def _aside(self) -> list[SegmentEntry]:
        return [loss.segment for loss in self._shop.catalog.manifest.losses if loss.segment is not None]

    def _require_space(self, aside: Sequence[SegmentEntry]) -> None:
        """Room for the largest: each takes the place of the damaged one."""
        sizes = [entry.bytes + entry.tally_bytes for entry in aside]
        if sizes:
            require_space(self._shop.disk, self._shop.layout.folder, max(sizes))

    def _rescue(self, mirrors: Mirrors, problems: list[str]) -> list[Mended]:
        """What mirrors have in other files than this folder had."""
        shop = self._shop
        others = stores_of(
            mirrors.all,
            shop.layout,
            store_id=shop.catalog.manifest.store_id,
            wait=self._wait,
            problems=problems,
        )
        return self._rescue_from(others) if others else []

    def _rescue_from(self, others: Sequence[OtherStore]) -> list[Mended]:
        shop = self._shop
        rescuer = Rescuer(shop, others)
        found = [self._journals.rescue(loss, others) for loss in shop.catalog.manifest.losses]
        self._seal()  # what comes back stands in segments: nothing that came later may be in the journal alone
        found += [rescuer.rescue(loss) for loss in shop.catalog.manifest.losses]
        return [one for one in found if one is not None]

    def _accept(self) -> tuple[Missing, ...]:
        losses = self._shop.catalog.manifest.losses
        if not losses:
            return ()

        def change(manifest: Manifest) -> Manifest:
            return with_accepted(manifest, [loss for loss in manifest.losses if loss in losses])

        for entry in self._aside():
            self._set_apart_segment(entry)
        self._shop.catalog.publish(change)
        return tuple(map(_missing, losses))

    def _clear_quarantine(self) -> None:
        """Remove what is whole in its place by now: the bytes themselves, and damaged ones of a mended segment."""
        shop = self._shop
        live = shop.catalog.manifest.segments
        names = shop.catalog.manifest.segment_names()
        known = {file.sha256 for one in live for file in files_of(shop, one)}
        missed = {file.sha256 for one in self._aside() for file in files_of(shop, one)}
        for path in files_in(shop.disk, shop.layout.quarantine):
            with contextlib.suppress(DiskError):
                digest = digest_of_file(shop.disk, path)
                is_of_live = f"{path.parent.name}/{path.stem.partition('.')[0]}" in names
                if digest in known or (is_of_live and digest not in missed):
                    shop.disk.remove(path)

    def _set_apart_segment(self, entry: SegmentEntry) -> None:
        """Move the files of a lost segment out of the way of other tools."""
        for file in files_of(self._shop, entry):
            with contextlib.suppress(DiskError):  # then it stays where it is: nothing reads it
                set_apart(self._shop.disk, self._shop.layout, file.path)

    def _quarantined(self) -> tuple[str, ...]:
        shop = self._shop
        found = files_in(shop.disk, shop.layout.quarantine)
        return tuple(str(path.relative_to(shop.layout.folder)) for path in found)


def _missing(loss: Loss) -> Missing:
    return Missing(loss.path, describe(loss), loss.records)
