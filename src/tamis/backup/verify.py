"""Looking whether a repository is whole. Changes nothing but its own lock, and what is noted of damage."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tamis.backup.damaged import damage_object, note_damage
from tamis.backup.locks import hold_to_read
from tamis.backup.pack import open_all, pack_object
from tamis.backup.repository import Index, Place, Repository
from tamis.backup.snapshot import FileEntry, Snapshot
from tamis.backup.target import AbsentObjectError
from tamis.errors import DamageError, DiskError
from tamis.telemetry import status

FILES_NAMED_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was written: the object, what is wrong, and whom it hits. `files` are named up to
    FILES_NAMED_MAX of `files_count`, as ``SNAPSHOT:PATH``."""

    object: str
    problem: str
    snapshots: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    files_count: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and found. `notes` are no damage: what an interrupted backup left, say."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    snapshots: int
    packs: int
    chunks: int
    read_bytes: int

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


@dataclass(slots=True)
class _Look:
    """What is known so far."""

    index: Index
    snapshots: dict[str, Snapshot]
    files: dict[str, tuple[FileEntry, ...]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    bad: dict[bytes, str] = field(default_factory=dict)
    """Chunks that cannot be had, and the object that they were in."""
    damaged: dict[str, frozenset[bytes]] = field(default_factory=dict)
    """The same by pack, those that another pack has too among them."""
    notes: list[str] = field(default_factory=list)
    read_bytes: int = 0


def verify(
    repository: Repository,
    names: Iterable[str] = (),
    *,
    full: bool = True,
    wait_s: float = 600.0,
) -> Report:
    """Look at snapshots (all, when none is named) and everything they need; `full` reads every byte, opens every
    chunk and compares it with its name. Otherwise only lists and sizes are looked at.

    What `full` finds damaged is noted in the repository, so that the next backup writes it anew; a note that is no
    longer true goes. Backups may be made meanwhile; nobody prunes.
    """
    with (
        hold_to_read(
            repository.target,
            purpose="verify",
            clock=repository.clock,
            wait_s=wait_s,
            going_on=repository.going_on,
        ),
        status.doing("backup verify", unit="packs") as work,
    ):
        problems: dict[str, str] = {}
        snapshots = repository.snapshots(problems)
        look = _Look(repository.load_index(), _wanted(snapshots, names))
        _tell_snapshots(look, problems, names)
        for pack in _packs_needed(look) if full else ():
            repository.going_on()
            work.advance(1, pack)
            _read_pack(repository, look, pack)
        if full:
            _look_elsewhere(look)
            _remember(repository, look)
        for name, snapshot in look.snapshots.items():
            _list_files(repository, look, name, snapshot)
        _blame(look)
        return _report(look, full=full)


def _wanted(snapshots: Mapping[str, Snapshot], names: Iterable[str]) -> dict[str, Snapshot]:
    wanted = set(names)
    return {name: one for name, one in snapshots.items() if not wanted or name in wanted}


def _tell_snapshots(look: _Look, problems: Mapping[str, str], names: Iterable[str]) -> None:
    wanted = set(names)
    for name, problem in problems.items():
        if not wanted or name in wanted:
            look.findings.append(Finding(f"snapshots/{name}", problem, snapshots=(name,)))


def _packs_needed(look: _Look) -> list[str]:
    return sorted(look.index.packs)


def _read_pack(repository: Repository, look: _Look, pack: str) -> None:
    """Every byte of a pack. Where it is damaged, chunk by chunk: the rest of it is good."""
    place, chunks = pack_object(pack), look.index.listed[pack]
    try:
        data = repository.target.get_again(place)
    except (AbsentObjectError, DiskError) as error:
        problem = "it is missing" if isinstance(error, AbsentObjectError) else str(error)
        _distrust(look, pack, frozenset(one.name for one in chunks))
        look.findings.append(Finding(place, problem))
        return
    look.read_bytes += len(data)
    damaged = [one.name for one, raw in open_all(repository.secrets, data, chunks) if raw is None]
    if damaged:
        problem = f"{len(damaged):,} of its {len(chunks):,} chunks are not what was written"
        _distrust(look, pack, frozenset(damaged))
        look.findings.append(Finding(place, problem))
        return
    try:
        repository.whole_pack(pack)
    except DamageError as error:
        look.findings.append(Finding(place, f"{error.reason}; all its chunks are whole"))


def _distrust(look: _Look, pack: str, names: frozenset[bytes]) -> None:
    look.damaged[pack] = names
    look.bad.update(dict.fromkeys(names, pack_object(pack)))


def _look_elsewhere(look: _Look) -> None:
    """What another pack has whole is not lost."""
    for pack, chunks in look.index.listed.items():
        for one in chunks:
            if one.name in look.bad and one.name not in look.damaged.get(pack, ()):
                del look.bad[one.name]
                look.index.places[one.name] = Place(pack, one)
    for pack, names in look.damaged.items():
        place = pack_object(pack)
        if not names & look.bad.keys():
            look.findings = [one for one in look.findings if one.object != place]
            look.notes.append(
                f"{place} is damaged, and other packs have all of that: `tamis backup prune` removes it"
            )


def _remember(repository: Repository, look: _Look) -> None:
    """Note what is damaged in the repository; nothing where it can only be read."""
    target, known = repository.target, look.index.damaged
    try:
        for pack in known.keys() - look.damaged.keys():
            target.delete(damage_object(pack))
        for pack, names in look.damaged.items():
            if known.get(pack, frozenset()) != names:
                note_damage(target, repository.secrets, pack, names)
    except DiskError as error:
        look.notes.append(f"what is damaged could not be noted for the next backup: {error}")
        return
    if look.bad:
        look.notes.append("the next backup writes anew what is damaged, as far as the data folder has it yet")


def _list_files(repository: Repository, look: _Look, name: str, snapshot: Snapshot) -> None:
    """What a snapshot has; when its list cannot be read, all of it is lost."""
    try:
        look.files[name] = repository.files(snapshot, look.index)
    except (DamageError, DiskError, AbsentObjectError) as error:
        reason = error.reason if isinstance(error, DamageError) else str(error)
        text = f"its list of files cannot be read ({reason}): nothing of it can be restored"
        look.findings.append(Finding(f"snapshots/{name}", text, snapshots=(name,)))


def _blame(look: _Look) -> None:
    """Say for each damaged object which snapshots and files it hits; and what no object has at all."""
    hit: dict[str, list[str]] = defaultdict(list)
    absent: list[str] = []
    for name, files in look.files.items():
        for file in files:
            objects = {look.bad[chunk] for chunk in file.chunks if chunk in look.bad}
            for place in objects:
                hit[place].append(f"{name}:{file.path}")
            if any(look.index.place(chunk) is None for chunk in file.chunks):
                absent.append(f"{name}:{file.path}")
    for place, problem in look.index.problems.items():
        if place.startswith("packs/") or place not in {one.object for one in look.findings}:
            look.findings.append(Finding(place, problem))
    look.findings = [_with_files(one, hit[one.object]) for one in look.findings]
    if absent:
        look.findings.append(_with_files(Finding("packs", "chunks are in no pack that can be read"), absent))


def _with_files(finding: Finding, files: list[str]) -> Finding:
    if not files:
        return finding
    snapshots = tuple(dict.fromkeys(file.partition(":")[0] for file in files))
    return Finding(finding.object, finding.problem, snapshots, tuple(files[:FILES_NAMED_MAX]), len(files))


def _report(look: _Look, *, full: bool) -> Report:
    used = {chunk for files in look.files.values() for file in files for chunk in file.chunks}
    used.update(chunk for one in look.snapshots.values() for chunk in one.catalogue)
    idle = [name for name, chunks in look.index.listed.items() if not any(one.name in used for one in chunks)]
    notes = [f"{len(idle):,} packs are in no snapshot: `tamis backup prune` removes them"] if idle else []
    notes.extend(look.notes)
    if not full:
        notes.append("only lists and sizes were looked at")
    return Report(
        findings=tuple(look.findings),
        notes=tuple(notes),
        snapshots=len(look.snapshots),
        packs=len(look.index.packs),
        chunks=len(look.index.places.keys() | look.index.doubtful.keys()),
        read_bytes=look.read_bytes,
    )
