"""The upkeep of a storage: which manifest is in force, what is whole, and the steps of mending and updating."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from tamis.clock import Clock
from tamis.disk.base import Disk
from tamis.errors import DiskError, IntegrityError, UnmendedError
from tamis.integrity.holdings import Held, Holdings, Pace, at_full_speed
from tamis.integrity.installed import load_installed, newest_of
from tamis.integrity.manifest import FILE_NAME, FileEntry, Manifest, print_manifest
from tamis.integrity.mending import Mender, Staged
from tamis.integrity.mirrors import Mirrors
from tamis.integrity.report import DegradedMode, FileFinding, StorageReport, StorageState, modes_of
from tamis.integrity.state import read_checked, read_known, write_checked, write_known
from tamis.integrity.trust import Known, Trust
from tamis.telemetry.status import StatusBoard


class Upkeep:
    """One folder's. Methods that change files are called under the folder's lock, and one at a time."""

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        shipped: Path | None,
        *,
        mirrors: Mirrors,
        trust: Trust,
        clock: Clock,
        board: StatusBoard,
        reserve_bytes: int,
    ) -> None:
        self.folder, self._shipped, self._trust = folder, shipped, trust
        self._disk, self._mirrors, self._now = disk, mirrors, clock.now_ns
        self._reserve_bytes = reserve_bytes
        self._holdings = Holdings(disk, folder, shipped, clock.now_ns)
        self._mender = Mender(disk, folder, self._holdings, mirrors=mirrors, board=board)
        self._known = Known()
        self._notes: list[str] = []
        self._fetched = 0
        self._has_looked = False
        self.manifest: Manifest | None = None
        self.problem = ""
        """What is wrong with the folder's own manifest."""
        self.held: dict[str, Held] = {}

    def load(self) -> None:
        """Find the manifest in force."""
        self._fetched = self._mirrors.bytes_read
        self._known = read_known(self._disk, self.folder)
        found = load_installed(
            self._disk, self.folder, self._shipped, trust=self._trust, known=self._known, now=self._now
        )
        self.manifest, self.problem, self._notes = found.manifest, found.problem, found.notes

    def look(self, *, is_full: bool = False, pace: Pace = at_full_speed) -> None:
        """Look at every file of it; remember which large ones were compared."""
        if not self._has_looked:
            self._holdings.checked, self._has_looked = dict(read_checked(self._disk, self.folder)), True
        before = dict(self._holdings.checked)
        self.held = {
            entry.path: self._holdings.look(entry, is_full=is_full, pace=pace) for entry in self.entries()
        }
        if self._holdings.checked != before:
            with suppress(DiskError):  # a folder that may only be read is compared anew at each start
                write_checked(self._disk, self.folder, self._holdings.checked)

    def compare(self, entry: FileEntry, pace: Pace) -> Held:
        """Look at every byte of one file."""
        held = self._holdings.look(entry, is_full=True, pace=pace)
        self.held[entry.path] = held
        return held

    def entries(self) -> tuple[FileEntry, ...]:
        """The files of the manifest in force."""
        return () if self.manifest is None else self.manifest.files

    def is_whole(self) -> bool:
        """Whether nothing is to be mended."""
        return not self.problem and all(one.place is not None for one in self.held.values())

    def note(self, text: str) -> None:
        """Have a sentence in the next report."""
        self._notes.append(text)

    def repair(self) -> StorageReport:
        """Mend the manifest and the files."""
        self.load()
        if self.problem:
            try:
                return self.update()
            except UnmendedError as error:
                if self.manifest is None:
                    raise
                self._notes.append(str(error))
        self.look()
        staged = self._stage(self.entries())
        return self._finish(staged)

    def update(self) -> StorageReport:
        """Take the newest manifest of the mirrors, and what is new in it."""
        before = self.manifest
        known = self._known if before is None else Known(version=before.version, digest=before.digest())
        known = max(known, self._known, key=lambda one: one.version)
        newest, refused = newest_of(self._mirrors, trust=self._trust, known=known, now=self._now)
        if newest is None:
            said = "; ".join(refused) or "no mirror is named"
            raise UnmendedError((FILE_NAME,), f"no manifest can be pulled: {said}")
        self._notes += refused
        self.manifest = newest
        self.look()
        older = () if before is None else before.files
        staged = self._stage((*newest.files, *older), older=older)
        if before is not None:
            self._require_all(staged, before)
        is_new = before is None or newest.version > before.version or bool(self.problem)
        if is_new:
            self._disk.write_whole(self.folder / FILE_NAME, [print_manifest(newest)])
            write_known(self._disk, self.folder, Known(version=newest.version, digest=newest.digest()))
            self.problem = ""
        return self._finish(staged, dropped=self._drop(older) if is_new else ())

    def report(
        self, *, mended: Sequence[str] = (), removed: Sequence[str] = (), staged: Staged | None = None
    ) -> StorageReport:
        """Everything as it was found last."""
        findings = tuple(
            FileFinding(path=path, problem=one.problem, required=one.entry.required, part=one.entry.part)
            for path, one in self.held.items()
            if one.place is None
        )
        modes = self._modes(findings)
        problem = [self.problem] if self.problem and self.manifest is not None else []
        return StorageReport(
            state=StorageState.DEGRADED if modes else StorageState.READY,
            version=0 if self.manifest is None else self.manifest.version,
            files=len(self.held),
            bytes=0 if self.manifest is None else self.manifest.size,
            findings=findings,
            modes=modes,
            mended=tuple(mended),
            removed=tuple(removed),
            notes=(*problem, *self._notes),
            bytes_fetched=0 if staged is None else self._mirrors.bytes_read - self._fetched,
            bytes_reused=0 if staged is None else staged.bytes_reused,
        )

    def _modes(self, findings: tuple[FileFinding, ...]) -> tuple[DegradedMode, ...]:
        name = self._trust.name or self.folder.name
        if self.manifest is None:
            return (DegradedMode(name=name, text=f"{self.problem}; nothing can be told of the files"),)
        without = {entry.path: entry.without for entry in self.entries()}
        return modes_of(self.manifest.name, findings, without)

    def _stage(self, listed: Iterable[FileEntry], *, older: Sequence[FileEntry] = ()) -> Staged:
        staged = self._mender.stage(list(self.held.values()), older=older, reserve_bytes=self._reserve_bytes)
        self._mender.sweep(listed, keep=[one.entry for one in self.held.values() if one.place is None])
        return staged

    def _require_all(self, staged: Staged, before: Manifest) -> None:
        """Nothing of a new version is put in place while required files of it are missing."""
        missing = tuple(path for path in staged.failed if self.held[path].entry.required)
        if missing and self.manifest is not None and self.manifest.version > before.version:
            version, self.manifest = self.manifest.version, before
            self.look()
            said = "; ".join(staged.failed[path] for path in missing)
            raise UnmendedError(
                missing, f"version {version} is not complete; version {before.version} stays: {said}"
            )

    def _drop(self, older: Iterable[FileEntry]) -> tuple[str, ...]:
        """Remove files of the version before that the new one has no more."""
        listed = {entry.path for entry in self.entries()}
        dropped = []
        for entry in older:
            if entry.path not in listed:
                with suppress(IntegrityError):
                    place = self._holdings.place_for(entry.path)
                    if self._disk.exists(place):
                        self._disk.remove(place)
                        dropped.append(entry.path)
        return tuple(dropped)

    def _finish(self, staged: Staged, dropped: tuple[str, ...] = ()) -> StorageReport:
        placed = self._mender.place(staged)
        for path in placed:
            self.held[path] = Held(self.held[path].entry, staged.parts[path][1])
        for path, reason in staged.failed.items():
            held = self.held[path]
            self.held[path] = Held(held.entry, None, f"{held.problem}: {reason}")
        return self.report(mended=placed, removed=dropped, staged=staged)
