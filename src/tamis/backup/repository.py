"""`Repository`: packs, indexes and snapshots in a target, opened with what unlocks them."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from tamis.backup.damaged import Damage, damage_object, read_damage
from tamis.backup.pack import (
    PACK_BYTES_MAX,
    Pack,
    Stored,
    index_object,
    list_at_end,
    open_chunk,
    open_index,
    pack_object,
)
from tamis.backup.sealing import HEAD_BYTES, Kind, Secrets, open_object, seal_object
from tamis.backup.snapshot import (
    SNAPSHOT_BYTES_MAX,
    FileEntry,
    Snapshot,
    decode_files,
    decode_snapshot,
    encode_snapshot,
)
from tamis.backup.target import AbsentObjectError, Target
from tamis.backup.unlock import CONFIG, FORMAT, Config, Opener, WrappedKey, new_secret, unwrap
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import BackupError, DamageError, FormatError, KeyUnavailableError

T = TypeVar("T")
_READ_BYTES = 8 << 20
"""Chunks that lie next to each other are read at once, up to so much."""
_CONFIG_BYTES_MAX = 64 << 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chunk is."""

    pack: str
    stored: Stored


@dataclass(slots=True)
class Index:
    """Every chunk that there is, and every pack with its size. `problems`: lists that could not be read, by object.

    `doubtful` are chunks where they were found damaged, which nobody counts on; `damaged` says so by pack.
    """

    places: dict[bytes, Place] = field(default_factory=dict)
    doubtful: dict[bytes, Place] = field(default_factory=dict)
    damaged: dict[str, Damage] = field(default_factory=dict)
    packs: dict[str, int] = field(default_factory=dict)
    listed: dict[str, tuple[Stored, ...]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def add(self, pack: str, size: int, chunks: tuple[Stored, ...]) -> None:
        """A pack is there with these chunks."""
        self.packs[pack], self.listed[pack] = size, chunks
        damaged = self.damaged.get(pack, frozenset())
        for stored in chunks:
            is_good = damaged is not None and stored.name not in damaged
            (self.places if is_good else self.doubtful).setdefault(stored.name, Place(pack, stored))

    def place(self, name: bytes) -> Place | None:
        """Where a chunk is best looked for."""
        return self.places.get(name) or self.doubtful.get(name)


class Repository:
    """A repository that was opened; made by `open_repository`. Thread-safe; an Index belongs to one caller."""

    def __init__(self, target: Target, config: Config, secrets: Secrets, *, clock: Clock) -> None:
        self.target, self.config, self.secrets, self.clock = target, config, secrets, clock
        self.going_on: Callable[[], object] = _go_on
        """Called now and then by whatever takes long; may raise to call it off."""

    @property
    def name(self) -> str:
        """What to call it to people."""
        return self.target.name

    # snapshots

    def snapshot_names(self) -> list[str]:
        """The names of all snapshots."""
        return [one.name.partition("/")[2] for one in self.target.list("snapshots")]

    def snapshot(self, name: str) -> Snapshot:
        """A snapshot. DamageError when it is not what was written."""
        return read_named(f"snapshots/{name}", lambda: self._snapshot(name))

    def _snapshot(self, name: str) -> Snapshot:
        data = self.target.get(f"snapshots/{name}", length=SNAPSHOT_BYTES_MAX)
        if hashlib.sha256(data).hexdigest() != name:
            raise DamageError("", "it is not what was written (its SHA-256 differs)")
        return decode_snapshot(
            open_object(self.secrets, Kind.SNAPSHOT, data, b"snapshot", bytes_max=SNAPSHOT_BYTES_MAX)
        )

    def snapshots(self, problems: dict[str, str] | None = None) -> dict[str, Snapshot]:
        """All of them by name, oldest first. What is wrong with one goes to `problems`; without, it is raised."""
        found = {}
        for name in self.snapshot_names():
            try:
                found[name] = self.snapshot(name)
            except AbsentObjectError:
                continue  # pruned meanwhile
            except DamageError as error:
                if problems is None:
                    raise
                problems[name] = error.reason
        return dict(sorted(found.items(), key=lambda one: (one[1].created_ns, one[0])))

    def put_snapshot(self, snapshot: Snapshot) -> str:
        """Keep a snapshot; its name. It is read back and compared."""
        data = seal_object(self.secrets, Kind.SNAPSHOT, encode_snapshot(snapshot), b"snapshot")
        name = hashlib.sha256(data).hexdigest()
        self.target.put(f"snapshots/{name}", [data])
        if self.target.get_again(f"snapshots/{name}") != data:
            raise DamageError(f"{self.name} snapshots/{name}", "what was read back is not what was written")
        return name

    def remove_snapshot(self, name: str) -> None:
        """Forget a snapshot; what only it held is taken away by `prune`."""
        self.target.delete(f"snapshots/{name}")

    def files(self, snapshot: Snapshot, index: Index) -> tuple[FileEntry, ...]:
        """What is in a snapshot. DamageError when its list is damaged or not to be trusted."""

        def read() -> tuple[FileEntry, ...]:
            raw = b"".join(self.chunks(snapshot.catalogue, index))
            if len(raw) != snapshot.catalogue_bytes:
                raise DamageError("", "its list of files is not as long as it says")
            return decode_files(raw)

        return read_named("the list of files", read)

    # packs

    def load_index(self) -> Index:
        """Every chunk there is. A pack whose list is missing or damaged is read itself."""
        index = Index(damaged=read_damage(self.target, self.secrets))
        lists = {one.name.partition("/")[2] for one in self.target.list("index")}
        for one in self.target.list("packs"):
            name = one.name.rpartition("/")[2]
            try:
                index.add(name, one.size, self._list_of(name, one.size, index, is_listed=name in lists))
            except AbsentObjectError:
                continue
            except DamageError as error:
                index.problems[one.name] = error.reason
        for name in lists - index.packs.keys():
            if pack_object(name) not in index.problems:
                index.problems[pack_object(name)] = "it is missing"
        return index

    def _list_of(self, name: str, size: int, index: Index, *, is_listed: bool) -> tuple[Stored, ...]:
        if is_listed:
            try:
                return open_index(self.secrets, name, self.target.get(index_object(name)), pack_bytes=size)
            except DamageError as error:
                index.problems[index_object(name)] = error.reason
        return list_at_end(self.secrets, self.whole_pack(name))

    def whole_pack(self, name: str, *, again: bool = False) -> bytes:
        """A pack's bytes, compared with its name. DamageError."""
        place = pack_object(name)
        data = self.target.get_again(place) if again else self.target.get(place, length=PACK_BYTES_MAX)
        if hashlib.sha256(data).hexdigest() != name:
            raise DamageError("", "it is not what was written (its SHA-256 differs)")
        return data

    def put_pack(self, pack: Pack) -> None:
        """Keep a pack and its list, and read it back."""
        self.target.put(pack_object(pack.name), pack.data)
        try:
            self.whole_pack(pack.name, again=True)
        except DamageError:
            self.target.delete(pack_object(pack.name))
            raise DamageError(
                f"{self.name} {pack_object(pack.name)}",
                "what was read back is not what was written; look at its disk",
            ) from None
        self.target.put(index_object(pack.name), [pack.index])

    def remove_pack(self, name: str) -> None:
        """Remove a pack: its list first, so that nobody who begins then counts on it."""
        self.target.delete(index_object(name))
        self.target.delete(pack_object(name))
        self.target.delete(damage_object(name))

    def chunks(self, names: Iterable[bytes], index: Index) -> Iterator[bytes]:
        """Chunks in this order. DamageError for one that is missing or not what was written."""
        for run in _runs(names, index):
            first, last = run[0].stored, run[-1].stored
            place = pack_object(run[0].pack)
            head = self.target.get(place, length=HEAD_BYTES)
            data = self.target.get(place, start=first.offset, length=last.offset + last.length - first.offset)
            for one in run:
                start = one.stored.offset - first.offset
                sealed = data[start : start + one.stored.length]
                try:
                    yield open_chunk(self.secrets, head, one.stored, sealed)
                except DamageError as error:
                    raise DamageError(place, error.reason) from error


def _go_on() -> None:
    """Nobody calls it off."""


def _runs(names: Iterable[bytes], index: Index) -> Iterator[list[Place]]:
    """Chunks that lie one behind the other in a pack, together."""
    run: list[Place] = []
    for name in names:
        place = index.place(name)
        if place is None:
            if run:
                yield run
            raise DamageError("", f"the chunk {name.hex()[:16]} is missing")
        if run and not _follows(run, place):
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _follows(run: list[Place], place: Place) -> bool:
    last = run[-1]
    together = place.stored.offset + place.stored.length - run[0].stored.offset
    return (
        place.pack == last.pack
        and place.stored.offset == last.stored.offset + last.stored.length
        and together <= _READ_BYTES
    )


def open_repository(
    target: Target, opener: Opener | None, *, clock: Clock = SYSTEM_CLOCK, create: bool = False
) -> Repository:
    """The repository in a target, made when there is none and `create` says so.

    KeyUnavailableError when the opener does not open it, or when it is locked otherwise than the caller thinks: a
    repository without keys is never written by someone who means to encrypt. FormatError for a newer release's.
    """
    try:
        raw = target.get(CONFIG, length=_CONFIG_BYTES_MAX)
    except AbsentObjectError:
        if not create:
            raise BackupError(
                f"{target.name} holds no repository; check the path, or make a backup first"
            ) from None
        _make(target, opener, clock)
        raw = target.get(CONFIG, length=_CONFIG_BYTES_MAX)
    config = _config_of(target, raw)
    if not config.sealed and opener is not None:
        raise KeyUnavailableError(
            f"{target.name} is not encrypted, and the settings say that backups are; name another folder, or set "
            "backup.provider to none"
        )
    if config.sealed and opener is None:
        raise KeyUnavailableError(f"{target.name} is encrypted; say with backup.provider what opens it")
    secret = None if opener is None else unwrap(wrapped_keys(target, config), opener, target.name)
    return Repository(target, config, Secrets(secret), clock=clock)


def wrapped_keys(target: Target, config: Config) -> list[WrappedKey]:
    """What the repository's secret is wrapped by; what cannot be read is left out."""
    found = []
    for one in target.list("keys"):
        try:
            key = msgspec.json.decode(target.get(one.name, length=_CONFIG_BYTES_MAX), type=WrappedKey)
        except (msgspec.MsgspecError, AbsentObjectError):
            continue
        if key.repository == config.id:
            found.append(key)
    return found


def add_key(repository: Repository, secret: bytes, opener: Opener) -> None:
    """Let another passphrase or key open the repository as well."""
    _put_key(repository.target, repository.config.id, secret, opener)


def _config_of(target: Target, raw: bytes) -> Config:
    try:
        head = msgspec.json.decode(raw, type=dict[str, object])
        written = head.get("format")
        if isinstance(written, int) and written > FORMAT:
            raise FormatError(
                f"{target.name} was written by a newer release (format {written}, this one reads up to {FORMAT}); "
                "use that release or a newer one"
            )
        return msgspec.convert(head, Config)
    except msgspec.MsgspecError as error:
        raise DamageError(f"{target.name} {CONFIG}", f"it cannot be read ({error})") from error


def _make(target: Target, opener: Opener | None, clock: Clock) -> None:
    config = Config(
        format=FORMAT, id=os.urandom(8).hex(), sealed=opener is not None, created_ns=clock.now_ns()
    )
    key = None
    if opener is not None:
        key = _put_key(target, config.id, new_secret(), opener)
    if not target.put_new(CONFIG, [msgspec.json.encode(config)]) and key is not None:
        target.delete(key)  # another machine made it at the same time


def _put_key(target: Target, repository: str, secret: bytes, opener: Opener) -> str:
    name = f"keys/{os.urandom(8).hex()}.json"
    target.put(name, [msgspec.json.encode(opener.wrap(repository, secret))])
    return name


def read_named(name: str, read: Callable[[], T]) -> T:
    """What `read` gives; a DamageError that names nothing names this."""
    try:
        return read()
    except DamageError as error:
        if error.path:
            raise
        raise DamageError(name, error.reason) from error


def used_by(files: Mapping[str, Iterable[FileEntry]], snapshots: Mapping[str, Snapshot]) -> set[bytes]:
    """Every chunk that snapshots need."""
    used: set[bytes] = set()
    for name, snapshot in snapshots.items():
        used.update(snapshot.catalogue)
        for file in files[name]:
            used.update(file.chunks)
    return used
