"""A repository that was damaged, or made by somebody hostile: named, gone around, refused."""

import errno
import hashlib
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tamis.backup.bring_back import Asked, restore_into, restore_to
from tamis.backup.folder import FolderTarget
from tamis.backup.locks import hold
from tamis.backup.pack import LIST_BYTES_MAX, PackBuilder, Stored, list_at_end, open_all, open_chunk
from tamis.backup.prune import prune
from tamis.backup.repository import Repository
from tamis.backup.restore import restore_folder
from tamis.backup.retention import Keep
from tamis.backup.sealing import HEAD_BYTES, Kind, Secrets, open_object, seal_object, unpack_bytes
from tamis.backup.snapshot import FileEntry, Snapshot, decode_files, encode_files
from tamis.backup.source import RepositorySource, sources_from
from tamis.backup.target import require_name
from tamis.backup.verify import Report, verify
from tamis.disk.rotated import zstd_module
from tamis.errors import AbsentError, BackupError, DamageError, DiskError, FormatError
from tamis.settings import load_settings
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest_file import encode_manifest, read_manifest
from tamis.store.embedded.repair.folder import repair_folder
from tests.support.backups import QUICK, BackupPlace
from tests.support.embedded import batch, messages, open_quiet
from tests.support.fragile_disk import FragileDisk

MESSAGES = [
    f"order {number} was placed by {hashlib.sha256(b'%d' % number).hexdigest()}" for number in range(4_000)
]
SECRET = Secrets(bytes(32))


@pytest.fixture
def place(tmp_path: Path) -> BackupPlace:
    """Two segments and a snapshot of them."""
    place = BackupPlace(tmp_path / "home", tmp_path / "repository")
    with closing(open_quiet(place.data, disk=QUICK)) as store:
        for half in (MESSAGES[:2_000], MESSAGES[2_000:]):
            store.append(batch(*half))
            store.seal_now()
    place.back_up()
    return place


def only(place: BackupPlace, folder: str) -> Path:
    (found,) = [path for path in (place.folder / folder).rglob("*") if path.is_file()]
    return found


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def look(place: BackupPlace) -> Report:
    return verify(place.open(), wait_s=0)


def newest(place: BackupPlace) -> str:
    return list(place.open().snapshots())[-1]


def test_a_flipped_byte_is_named_with_what_it_hits(place: BackupPlace, tmp_path: Path) -> None:
    """The pack, the snapshot, the file; what is whole comes back, the store of it names the rest."""
    pack = only(place, "packs")
    files = place.open().files(place.open().snapshot(newest(place)), index := place.open().load_index())
    segment = next(file for file in files if file.path.endswith("01.parquet"))
    flip(pack, index.places[segment.chunks[0]].stored.offset + 20)
    report = look(place)
    assert report.findings[0].object == f"packs/{pack.parent.name}/{pack.name}"
    assert report.findings[0].files == (f"{newest(place)}:{segment.path}",)
    assert "1 of its" in report.findings[0].problem
    done = restore_folder(place.open(), newest(place), tmp_path / "back", QUICK)
    assert [(lost.path, lost.records) for lost in done.lost] == [(segment.path, 2_000)]
    with closing(open_quiet(tmp_path / "back", disk=QUICK)) as store:
        assert messages(store) == sorted(MESSAGES[2_000:])
        assert "2,000 records" in store.health().problems[0]


@pytest.mark.parametrize("journal", ["journal", "sealed"])
def test_a_lost_manifest_is_made_anew_from_what_is_whole(
    place: BackupPlace, tmp_path: Path, journal: str
) -> None:
    """All segments come back, but the damaged one, which is named; sequences are not given twice."""
    if journal == "journal":
        with closing(open_quiet(place.data, disk=QUICK)) as store:
            store.append(batch("hot"))
            place.back_up(store)
    repository = place.open()
    files = repository.files(repository.snapshot(newest(place)), index := repository.load_index())
    for ending in ("manifest.json", "2.parquet"):
        found = index.places[next(file for file in files if file.path.endswith(ending)).chunks[0]]
        flip(place.folder / "packs" / found.pack[:2] / found.pack, found.stored.offset + 20)
    done = restore_to(place.open(), Asked(), tmp_path / "back", QUICK, place.clock)
    assert [(lost.path.rpartition("/")[2], lost.records) for lost in done.lost] == [
        ("00000002.parquet", 2_000),
        ("manifest.json", None),
    ]
    hot = ["hot"] if journal == "journal" else []
    with closing(open_quiet(tmp_path / "back", disk=QUICK)) as store:
        assert messages(store) == sorted(MESSAGES[:2_000] + hot)
        assert "2,000 records" in store.health().problems[0]
        assert store.append(batch("next")).first_seq == 4_001 + len(hot)
    other = BackupPlace(tmp_path / "other", place.folder)
    with closing(open_quiet(other.data, disk=QUICK)) as store:
        _, into = restore_into(place.open(), Asked(), store, other.data, QUICK, clock=other.clock)
        assert into.appended == 2_000 + len(hot)
        assert len(into.lost) == 2


def test_every_damage_of_an_object_is_seen(place: BackupPlace) -> None:
    """Flipped, cut, grown, emptied, swapped, removed: packs, lists, snapshots, and the newest comes back if it can."""
    for folder in ("packs", "index", "snapshots"):
        path = only(place, folder)
        whole = path.read_bytes()
        damages = {
            "flip": whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
            "cut": whole[:-7],
            "grow": whole + b"more",
            "zero": bytes(len(whole)),
            "empty": b"",
            "other": only(place, "index" if folder != "index" else "packs").read_bytes(),
        }
        for name, data in damages.items():
            path.write_bytes(data)
            assert not look(place).is_whole, (folder, name)
        path.unlink()
        report = look(place)
        assert report.is_whole == (folder != "packs"), (
            folder
        )  # a list is in its pack as well; no snapshot hits none
        path.write_bytes(whole)
        assert look(place).is_whole


def test_a_list_that_is_lost_is_read_from_its_pack(place: BackupPlace, tmp_path: Path) -> None:
    """Backups are made, verified and restored without it."""
    only(place, "index").unlink()
    made = place.back_up()
    assert made.snapshot.added_bytes < 40_000
    assert not restore_folder(place.open(), made.name, tmp_path / "back", QUICK).lost


def test_a_backup_after_damage_writes_anew_what_it_cannot_find(place: BackupPlace, tmp_path: Path) -> None:
    """A pack that is gone costs the snapshots that are there, and none that is made afterwards."""
    only(place, "packs").unlink()
    made = place.back_up()
    assert not restore_folder(place.open(), made.name, tmp_path / "back", QUICK).lost
    with closing(open_quiet(tmp_path / "back", disk=QUICK)) as store:
        assert len(messages(store)) == 4_000


def chunk_of_a_segment(place: BackupPlace) -> tuple[str, int]:
    """A pack, and a place in the middle of a chunk of it that a segment has."""
    repository = place.open()
    index = repository.load_index()
    files = repository.files(repository.snapshot(newest(place)), index)
    segment = next(file for file in files if file.path.endswith("01.parquet"))
    found = index.places[segment.chunks[0]]
    return found.pack, found.stored.offset + 20


def test_what_verify_finds_damaged_is_written_anew_by_the_next_backup(
    place: BackupPlace, tmp_path: Path
) -> None:
    """Both snapshots are whole then; prune takes the damaged pack away, and keeps what is good of it."""
    pack, at = chunk_of_a_segment(place)
    first = newest(place)
    flip(place.folder / "packs" / pack[:2] / pack, at)
    assert "the next backup writes anew" in look(place).notes[-1]
    made = place.back_up()
    assert made.snapshot.added_bytes > 40_000
    report = look(place)
    assert report.is_whole
    assert "other packs have all of that" in " ".join(report.notes)
    for name in (first, made.name):
        assert not restore_folder(place.open(), name, tmp_path / name[:8], QUICK).lost
    prune(place.open(), Keep(last=9), wait_s=0)
    assert not (place.folder / "packs" / pack[:2] / pack).exists()
    assert not list((place.folder / "damaged").iterdir())
    report = look(place)
    assert (report.is_whole, report.notes) == (True, ())
    assert not restore_folder(place.open(), first, tmp_path / "again", QUICK).lost


def test_a_pack_that_is_whole_again_is_counted_on_again(place: BackupPlace) -> None:
    """A disk that failed for a moment costs nothing."""
    pack, at = chunk_of_a_segment(place)
    for expected in (False, True):
        flip(place.folder / "packs" / pack[:2] / pack, at)
        assert look(place).is_whole == expected
    assert place.back_up().snapshot.added_bytes < 40_000


def test_nothing_is_pruned_while_what_stays_is_damaged(place: BackupPlace) -> None:
    """It may have the last good copy; whoever says so goes on, and nothing that is whole is lost by it."""
    pack, at = chunk_of_a_segment(place)
    with closing(open_quiet(place.data, disk=QUICK)) as store:
        place.back_up(store)
    flip(place.folder / "packs" / pack[:2] / pack, at)
    assert not look(place).is_whole
    before = place.open().snapshot_names()
    with pytest.raises(BackupError, match="make a backup"):
        prune(place.open(), Keep(last=1), wait_s=0)
    assert place.open().snapshot_names() == before
    place.back_up()
    assert len(prune(place.open(), Keep(last=1), wait_s=0).snapshots) == 2
    assert look(place).is_whole


def test_the_only_good_copy_of_two_is_not_pruned(place: BackupPlace, tmp_path: Path) -> None:
    """Where one of two packs with the same chunks is damaged, and nobody saw it yet."""
    pack, at = chunk_of_a_segment(place)
    path = place.folder / "packs" / pack[:2] / pack
    whole = path.read_bytes()
    repository = place.open()
    builder = PackBuilder(repository.secrets)
    index = repository.load_index()
    for stored, raw in open_all(repository.secrets, whole, index.listed[pack]):
        assert raw is not None
        builder.add(stored.name, raw)
    copy = builder.finish()
    repository.put_pack(copy)
    first = min(pack, copy.name)
    flip(place.folder / "packs" / first[:2] / first, at)
    with pytest.raises(BackupError, match="good copy"):
        prune(place.open(), Keep(last=1), wait_s=0)
    assert look(place).is_whole
    prune(place.open(), Keep(last=1), wait_s=0)
    assert look(place).packs == 1
    assert not restore_folder(place.open(), newest(place), tmp_path / "back", QUICK).lost


def test_nothing_is_pruned_while_a_snapshot_cannot_be_read(place: BackupPlace) -> None:
    """Nobody knows what it needs; who says so forgets it."""
    damaged = only(place, "snapshots")
    place.back_up()
    flip(damaged, 70)
    with pytest.raises(BackupError, match="--drop-damaged"):
        prune(place.open(), Keep(last=1), wait_s=0)
    assert prune(place.open(), Keep(last=1), drop_damaged=True, wait_s=0).snapshots == (damaged.name,)
    assert look(place).is_whole


def forged(repository: Repository, files: list[FileEntry], like: Snapshot, raw: bytes | None = None) -> str:
    """A snapshot that somebody who has the key made, with any list of files."""
    listed = encode_files(files) if raw is None else raw
    name = repository.secrets.chunk_name(hashlib.sha256(listed).digest())
    builder = PackBuilder(repository.secrets)
    builder.add(name, listed)
    repository.put_pack(builder.finish())
    return repository.put_snapshot(
        msgspec.structs.replace(
            like, catalogue=(name,), catalogue_bytes=len(listed), created_ns=like.created_ns + 1
        )
    )


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "data/../../outside",
        "/etc/passwd",
        "data//x",
        "data/./x",
        "data\\..\\x",
        "data/con",
        "other/x",
        "data",
        "data/a\0b",
        "data/nul.txt",
        "",
    ],
)
def test_paths_that_leave_the_folder_are_refused(place: BackupPlace, tmp_path: Path, path: str) -> None:
    """Nothing of such a snapshot is written, whoever signed it."""
    repository = place.open()
    like = repository.snapshot(newest(place))
    files = list(repository.files(like, repository.load_index()))
    bad = msgspec.structs.replace(files[0], path=path)
    name = forged(repository, [*files, bad], like)
    with pytest.raises(DamageError, match="refused"):
        restore_folder(repository, name, tmp_path / "back", QUICK)
    assert not (tmp_path / "back").exists()
    assert any("nothing of it can be restored" in one.problem for one in look(place).findings)


def test_two_files_in_one_place_are_refused(place: BackupPlace, tmp_path: Path) -> None:
    """Also where only case, or a folder with a file's name, makes them one."""
    repository = place.open()
    like = repository.snapshot(newest(place))
    files = list(repository.files(like, repository.load_index()))
    for path in (files[0].path, files[0].path.upper().replace("DATA", "data"), f"{files[0].path}/x"):
        name = forged(repository, [*files, msgspec.structs.replace(files[0], path=path)], like)
        with pytest.raises(DamageError, match="refused"):
            restore_folder(repository, name, tmp_path / "back", QUICK)


def test_a_manifest_that_names_foreign_files_is_refused(place: BackupPlace, tmp_path: Path) -> None:
    """A store is never made to look outside of its folder."""
    repository = place.open()
    like = repository.snapshot(newest(place))
    files = list(repository.files(like, repository.load_index()))
    manifest = read_manifest(QUICK, Layout(place.data)).manifest
    evil = msgspec.structs.replace(manifest.segments[0], name="../../../etc/passwd")
    raw = encode_manifest(msgspec.structs.replace(manifest, segments=(evil,)))
    builder = PackBuilder(repository.secrets)
    digest = hashlib.sha256(raw).digest()
    chunk = repository.secrets.chunk_name(digest)
    builder.add(chunk, raw)
    repository.put_pack(builder.finish())
    others = [file for file in files if file.path != "data/manifest.json"]
    name = forged(repository, [*others, FileEntry("data/manifest.json", len(raw), digest, (chunk,))], like)
    with pytest.raises(DamageError, match="cannot be one"):
        restore_folder(repository, name, tmp_path / "back", QUICK)
    assert not (tmp_path / "back").exists()


def test_bombs_are_refused_while_they_are_opened() -> None:
    """However small, nothing becomes larger than it may: chunks, lists, and sizes that files only claim."""
    bomb = b"\1" + zstd_module().compress(bytes(64 << 20))
    with pytest.raises(DamageError, match="larger than 1,000 bytes"):
        unpack_bytes(bomb, 1_000)
    sealed = seal_object(SECRET, Kind.INDEX, bytes(LIST_BYTES_MAX + 1), b"x")
    with pytest.raises(DamageError, match="larger than"):
        open_object(SECRET, Kind.INDEX, sealed, b"x", bytes_max=LIST_BYTES_MAX)
    with pytest.raises(DamageError, match="cannot have"):
        decode_files(encode_files([FileEntry("data/x", 1 << 39, bytes(32), (bytes(32),))]))


def test_swapped_chunks_do_not_open() -> None:
    """A chunk in another's place, of another pack or under another name is none."""
    builder, other = PackBuilder(SECRET), PackBuilder(SECRET)
    names = [SECRET.chunk_name(hashlib.sha256(text).digest()) for text in (b"one", b"two")]
    one, two = builder.add(names[0], b"one"), builder.add(names[1], b"two")
    other.add(names[0], b"one")
    data, foreign = b"".join(builder.finish().data), b"".join(other.finish().data)
    assert open_chunk(SECRET, data[:HEAD_BYTES], one, data[one.offset : one.offset + one.length]) == b"one"
    assert list_at_end(SECRET, data) == (one, two)
    for head, stored, at in (
        (data, two, one),
        (data, Stored(two.name, one.offset, one.length, one.raw), one),
        (foreign, one, one),
    ):
        with pytest.raises(DamageError):
            open_chunk(SECRET, head[:HEAD_BYTES], stored, data[at.offset : at.offset + at.length])


def test_a_newer_release_s_repository_is_refused_with_a_sentence(place: BackupPlace) -> None:
    """And nothing in it is touched."""
    config = place.folder / "config.json"
    config.write_bytes(config.read_bytes().replace(b'"format":1', b'"format":9'))
    with pytest.raises(FormatError, match="newer release"):
        place.open()


def test_names_that_are_none_never_reach_the_disk(place: BackupPlace) -> None:
    """Neither from a list nor from a caller; links in the folder are not followed."""
    for name in ("../x", "packs/../x", "/etc/passwd", "packs/xyz", "", "a" * 500):
        with pytest.raises(ValueError, match="is no name"):
            require_name(name)
    (place.folder / "snapshots" / ("ab" * 32)).symlink_to("/etc/passwd")
    assert len(place.open().snapshot_names()) == 1


def test_a_segment_is_mended_from_a_backup(place: BackupPlace) -> None:
    """The source gives the bytes of the newest good copy, any part of it, and says what it does not have."""
    source = RepositorySource(place.open, "here")
    segment = next(place.data.rglob("*.parquet"))
    path, whole = str(segment.relative_to(place.data)), segment.read_bytes()
    assert source.size(path) == len(whole)
    assert source.read(path, start=0, length=len(whole)) == whole
    for start, length in ((0, 1), (1_000, 70_000), (len(whole) - 5, 5), (7, 0)):
        assert source.read(path, start=start, length=length) == whole[start : start + length]
    with pytest.raises(AbsentError):
        source.read(path, start=0, length=len(whole) + 1)
    with pytest.raises(AbsentError):
        source.read("segments/2026-01-01/00000001.parquet", start=0, length=1)
    flip(only(place, "packs"), 5_000)
    with pytest.raises(AbsentError, match="damaged"):
        RepositorySource(place.open, "here").read(path, start=0, length=len(whole))


def test_repair_takes_from_backups_what_is_damaged(place: BackupPlace) -> None:
    """A folder's segments and its journal come back whole, with nothing said but where the repository is."""
    with closing(open_quiet(place.data, disk=QUICK)) as store:
        store.append(batch("later"))
        store.seal_now()
        place.back_up(store)
        expected = messages(store)
    for segment in place.data.rglob("*.parquet"):
        flip(segment, 1_000)
    settings = load_settings({"backup.repository": str(place.folder)}, environ={})
    (source,) = sources_from((), settings, QUICK)
    assert source.name == f"backups in {place.folder}"
    made = repair_folder(place.data, [RepositorySource(place.open, "here")])
    assert not made.problems, made
    with closing(open_quiet(place.data, disk=QUICK)) as store:
        assert messages(store) == expected
        assert store.health().state == "ready"


def test_a_repository_that_can_only_be_read_is_verified_and_restored(
    place: BackupPlace, tmp_path: Path
) -> None:
    """As one on a disk that is mounted so: nothing is written into it, no lock either."""
    disk = FragileDisk(place.folder)
    reading = BackupPlace(place.home, place.folder, target=FolderTarget(disk, place.folder))
    disk.refuse("create", errno.EROFS)
    assert verify(reading.open(), wait_s=0).is_whole
    disk.refuse("create", errno.EROFS)
    assert not restore_folder(reading.open(), newest(place), tmp_path / "back", QUICK).lost
    disk.refuse("create", errno.EROFS)
    with pytest.raises(DiskError):
        reading.back_up()


def test_a_lock_that_cannot_be_read_keeps_nobody_out(place: BackupPlace) -> None:
    """Nothing that a stranger leaves makes backups impossible for ever."""
    place.open().target.put("locks/00.json", [b"rubbish"])
    repository = place.open()
    with hold(repository.target, "alone", purpose="x", clock=place.clock, wait_s=0):
        assert len(list(repository.target.list("locks"))) == 1
