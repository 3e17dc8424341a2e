"""`StorageManager`: files kept as their manifest says: looked at, mended, updated, scrubbed."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.disk.real import RealDisk
from tamis.errors import DiskError, IntegrityError, UnmendedError
from tamis.integrity.digest import digest_of
from tamis.integrity.holdings import Pace, at_full_speed
from tamis.integrity.manifest import Manifest
from tamis.integrity.mirrors import Mirrors
from tamis.integrity.options import StorageOptions
from tamis.integrity.report import StorageReport
from tamis.integrity.scrub import Scrub
from tamis.integrity.sources import Source, open_source
from tamis.integrity.state import FOLDER_NAME
from tamis.integrity.trust import Trust
from tamis.integrity.upkeep import Upkeep
from tamis.keys.turn import our_turn
from tamis.telemetry.status import BOARD, StatusBoard


class StorageManager:
    """Keeps the files of one folder as its `manifest.json` says. Thread-safe; several processes may have one on the
    same folder, of which one mends at a time.

    `mirrors` are asked in their order, those on this machine first: folders, tar archives, web servers, other Tamis
    (`sources.open_source` says how they are written). `shipped` is a folder with a manifest of its own that came with
    the program: it is only read, and what is damaged there is mended in `folder`. While everything is here, no mirror
    is looked at. What it does is told to `board`, and so is what does not work without what is missing.
    """

    def __init__(
        self,
        folder: str | Path,
        mirrors: Sequence[str | Path | Source] = (),
        *,
        trust: Trust | None = None,
        shipped: Path | None = None,
        options: StorageOptions | None = None,
        disk: Disk | None = None,
        clock: Clock = SYSTEM_CLOCK,
        board: StatusBoard = BOARD,
    ) -> None:
        self.folder, self.options = Path(folder), options or StorageOptions()
        self._disk, self._clock, self._board = disk or RealDisk(), clock, board
        self._stopping = threading.Event()
        self._lock = threading.RLock()
        self._told: frozenset[str] = frozenset()
        self._mirrors = Mirrors(
            [self._source(one) for one in mirrors],
            tries=self.options.tries,
            rest=self.options.rest,
            clock=clock,
            wait=self._wait,
        )
        self._upkeep = Upkeep(
            self._disk,
            self.folder,
            shipped,
            mirrors=self._mirrors,
            trust=trust or Trust(),
            clock=clock,
            board=board,
            reserve_bytes=self.options.reserve_bytes,
        )
        self._scrub = Scrub(
            self._upkeep,
            mend=self.repair,
            wait=self._wait,
            bytes_per_s=self.options.scrub_bytes_per_s,
            interval_s=self.options.scrub_interval_s,
            clock=clock,
            board=board,
        )

    @property
    def manifest(self) -> Manifest | None:
        """The manifest in force; None before the first look, and where there is none."""
        return self._upkeep.manifest

    def initialize_and_verify(self) -> StorageReport:
        """Look at every file, quickly, and mend what is missing or damaged. What cannot be mended leaves a degraded
        mode with a name, and no exception. With everything here it is ready at once.
        """
        with self._lock:
            report = self.verify()
            if self._upkeep.is_whole():
                return report
            try:
                return self.repair()
            except (IntegrityError, DiskError) as error:
                self._upkeep.note(str(error))
                return self._tell(self._upkeep.report())

    def verify(self, *, full: bool = False, pace: Pace = at_full_speed) -> StorageReport:
        """Look, and change no file. `full` compares every byte with its digest; else large files that were compared
        before are known by size and time. `pace` is told of every piece that was read, and may wait.
        """
        with self._lock:
            self._upkeep.load()
            if full:
                self._look_at_all(pace)
            else:
                self._upkeep.look(pace=pace)
            return self._tell(self._upkeep.report())

    def repair(self) -> StorageReport:
        """Have every file as the manifest in force says, and the manifest itself, from other files here and from
        mirrors. NoSpaceError, DiskError, LockedError, UnmendedError when it could not even begin.
        """
        with self._lock, self._our_turn():
            return self._tell(self._upkeep.repair())

    def update(self) -> StorageReport:
        """Take the newest manifest that mirrors have, and the bytes that are new in it. All required files of the new
        version are here before the first one is replaced; UnmendedError, and nothing changed, when some cannot be had.
        """
        with self._lock, self._our_turn():
            self._upkeep.load()
            return self._tell(self._upkeep.update())

    def place(self, path: str) -> Path:
        """Where a whole file is; UnmendedError when it is not."""
        held = self._upkeep.held.get(path)
        if held is None or held.place is None:
            reason = "is not listed in the manifest" if held is None else held.problem
            raise UnmendedError((path,), f"{path} {reason}")
        return held.place

    def read(self, path: str) -> bytes:
        """The bytes of a file, compared with their digest once more; UnmendedError when they are not right."""
        place = self.place(path)
        data = self._disk.read(place)
        if digest_of(data) != self._upkeep.held[path].entry.sha256:
            raise UnmendedError((path,), f"{place} was changed since it was looked at; `repair` mends it")
        return data

    def scrub(self) -> StorageReport:
        """Compare every byte at the scrub's pace, once, here and now, and mend what is found."""
        if self._upkeep.manifest is None:
            self.verify()
        return self.repair() if self._scrub.round() else self._upkeep.report()

    def start_scrub(self) -> None:
        """Do that in the background, over and over, until `close`."""
        self._scrub.start()

    def close(self) -> None:
        """End the scrub and close the mirrors; whoever waits for a mirror gives up. Idempotent."""
        self._stopping.set()
        self._scrub.join()
        self._mirrors.close()

    def __enter__(self) -> "StorageManager":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _look_at_all(self, pace: Pace) -> None:
        total = sum(entry.size for entry in self._upkeep.entries())
        with self._board.doing("verify files", total=total, unit="bytes") as work:

            def both(count: int) -> None:
                work.advance(count)
                pace(count)

            self._upkeep.look(is_full=True, pace=both)

    def _source(self, one: str | Path | Source) -> Source:
        if isinstance(one, str | Path):
            return open_source(one, self._disk, timeout_s=self.options.timeout_s, clock=self._clock)
        return one

    def _wait(self, seconds: float) -> bool:
        """Wait; true when it is time to give up."""
        if self._clock is SYSTEM_CLOCK:
            return self._stopping.wait(seconds)
        self._clock.sleep(seconds)
        return self._stopping.is_set()

    @contextmanager
    def _our_turn(self) -> Iterator[None]:
        control = self.folder / FOLDER_NAME
        self._disk.create_folder(control)
        limit_s = self.options.lock_timeout_s
        with our_turn(control, self._clock, purpose="mending files", timeout_s=limit_s):
            yield

    def _tell(self, report: StorageReport) -> StorageReport:
        """Let the board say what is degraded, and what was mended."""
        for mode in report.modes:
            self._board.degrade(mode.name, mode.text)
        names = frozenset(mode.name for mode in report.modes)
        for name in self._told - names:
            self._board.mend(name)
        self._told = names
        if report.mended:
            named = ", ".join(report.mended[:3]) + (" …" if len(report.mended) > 3 else "")
            self._board.tell("files mended", f"{len(report.mended)} files: {named}", count=len(report.mended))
        return report
