"""The ledger after damage and after attacks: actions × places; everything shows, and later writers cover nothing.

Blind damage changes bytes; a knowing attacker also mends numbers, checksums and links, but has no signing key.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tamis.integrity.ledger.links import CHECKPOINT, ENTRY, FIRST_LINK, LINK_BYTES, Entry, link_of
from tamis.integrity.ledger.signing import Signer
from tests.support.ledgers import LedgerPlace

ENTRIES = 23

Frames = list[tuple[int, bytes]]


@pytest.fixture
def place(tmp_path: Path) -> LedgerPlace:
    """A ledger of 23 entries with a checkpoint after every fifth and at the end."""
    made = LedgerPlace(tmp_path)
    made.write(ENTRIES)
    assert made.verify().is_whole
    return made


def pairs(place: LedgerPlace) -> Frames:
    return [(frame.kind, frame.payload) for frame in place.frames()]


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :]


def zero(data: bytes, at: int) -> bytes:
    return data[:at] + bytes(min(8, len(data) - at)) + data[at + 8 :]


def drop(data: bytes, at: int) -> bytes:
    return data[:at] + data[at + 1 :]


def cut(data: bytes, at: int) -> bytes:
    return data[:at]


BLIND: dict[str, Callable[[bytes, int], bytes]] = {"flip": flip, "zero": zero, "drop": drop, "cut": cut}


@pytest.mark.parametrize("action", BLIND)
def test_blind_damage_shows_wherever_it_strikes(place: LedgerPlace, action: str) -> None:
    """A flipped, zeroed, lost or cut byte anywhere in the file is found, and reading goes on."""
    whole = place.part().read_bytes()
    closing = place.frames()[-1].position
    unseen = []
    for at in range(0, len(whole) - 1, 17):
        damaged = BLIND[action](whole, at)
        if damaged == whole:
            continue
        place.part().write_bytes(damaged)
        report = place.verify()
        # The closing checkpoint stands in the head, too: without it no entry is in doubt, and a note says so.
        noted = at >= closing and report.notes and report.entries == ENTRIES
        if report.is_whole and not noted:
            unseen.append(at)
    assert unseen == []


@pytest.mark.parametrize("action", BLIND)
def test_a_damaged_head_shows_wherever_it_is_struck(place: LedgerPlace, action: str) -> None:
    """No byte of the head can change, nor its end go, without a finding."""
    whole = place.head.read_bytes()
    unseen = []
    for at in range(len(whole)):
        damaged = BLIND[action](whole, at)
        if damaged == whole:
            continue
        place.head.write_bytes(damaged)
        if place.verify().is_whole:
            unseen.append(at)
    assert unseen == []


def of_kind(frames: Frames, kind: int) -> list[int]:
    return [index for index, frame in enumerate(frames) if frame[0] == kind]


def relinked(frames: Frames) -> Frames:
    """With all links made anew, as by somebody who knows how."""
    link, made = FIRST_LINK, []
    for kind, payload in frames:
        body = payload[LINK_BYTES:]
        link = link_of(link, kind, body)
        made.append((kind, link + body))
    return made


def renumbered(frames: Frames) -> Frames:
    """With entries counted anew."""
    number, made = 0, []
    for kind, payload in frames:
        if kind == ENTRY:
            number += 1
            entry = msgspec.json.decode(payload[LINK_BYTES:], type=Entry)
            body = msgspec.json.encode(msgspec.structs.replace(entry, n=number))
            made.append((kind, payload[:LINK_BYTES] + body))
        else:
            made.append((kind, payload))
    return made


def change(frames: Frames, at: int) -> Frames:
    kind, payload = frames[at]
    changed = payload.replace(b"thing", b"thong")
    assert changed != payload
    return [*frames[:at], (kind, changed), *frames[at + 1 :]]


def remove(frames: Frames, at: int) -> Frames:
    return [*frames[:at], *frames[at + 1 :]]


def insert(frames: Frames, at: int) -> Frames:
    kind, payload = frames[at]
    return [*frames[: at + 1], (kind, payload.replace(b"thing", b"thong")), *frames[at + 1 :]]


def duplicate(frames: Frames, at: int) -> Frames:
    return [*frames[: at + 1], frames[at], *frames[at + 1 :]]


def swap(frames: Frames, at: int) -> Frames:
    other = at - 1 if frames[at - 1][0] == ENTRY else at - 2
    mixed = list(frames)
    mixed[at], mixed[other] = mixed[other], mixed[at]
    return mixed


KNOWING: dict[str, Callable[[Frames, int], Frames]] = {
    "change": change,
    "remove": remove,
    "insert": insert,
    "duplicate": duplicate,
    "swap": swap,
}
MENDING: dict[str, Callable[[Frames], Frames]] = {
    "checksums": lambda frames: frames,
    "checksums and links": relinked,
    "checksums, numbers and links": lambda frames: relinked(renumbered(frames)),
}


@pytest.mark.parametrize("mending", MENDING)
@pytest.mark.parametrize("action", KNOWING)
def test_an_attack_shows_at_every_entry(place: LedgerPlace, action: str, mending: str) -> None:
    """Changed, removed, put in, doubled or moved: found at every entry, however much is mended after it."""
    frames = pairs(place)
    unseen = []
    for at in of_kind(frames, ENTRY)[1:]:
        attacked = MENDING[mending](KNOWING[action](frames, at))
        assert attacked != frames
        place.rewrite(attacked)
        if place.verify().is_whole:
            unseen.append(at)
    assert unseen == []


@pytest.mark.parametrize("action", ["change", "remove", "insert", "swap"])
def test_an_attack_is_told_with_its_entry(place: LedgerPlace, action: str) -> None:
    """The finding names the entry, or the one after it, and a position in the file."""
    frames = pairs(place)
    at = of_kind(frames, ENTRY)[11]
    place.rewrite(KNOWING[action](frames, at))
    findings = [finding for finding in place.verify().findings if finding.entry is not None]
    assert findings
    assert min(abs((finding.entry or 0) - 12) for finding in findings) <= 1
    assert all(finding.part == 1 or "gone" in finding.problem for finding in findings)


def test_words_say_what_happened(place: LedgerPlace) -> None:
    """Each attack has its own sentence."""
    frames = pairs(place)
    at = of_kind(frames, ENTRY)[11]
    for action, words in {
        "change": "entry 12 does not follow",
        "remove": "entry 12 is gone",
        "insert": "entry 12 stands there again, or was put in",
        "swap": "entry 11 stands out of its place",
    }.items():
        place.rewrite(KNOWING[action](frames, at))
        assert words in place.problems(), action


def test_a_checkpoint_of_another_key_shows(place: LedgerPlace, tmp_path: Path) -> None:
    """Who writes the whole ledger anew with a key of their own is found out by the key."""
    other = LedgerPlace(tmp_path / "other", signer=Signer(bytes(32)))
    other.write(ENTRIES)
    shutil.copytree(other.layout.folder, place.layout.folder, dirs_exist_ok=True)
    shutil.copytree(other.layout.heads, place.layout.heads, dirs_exist_ok=True)
    assert "is signed by the key" in place.problems()
    other.signer = None
    shutil.rmtree(other.root)
    other.write(ENTRIES)
    shutil.copytree(other.layout.folder, place.layout.folder, dirs_exist_ok=True)
    shutil.copytree(other.layout.heads, place.layout.heads, dirs_exist_ok=True)
    assert "is not signed" in place.problems()


@pytest.mark.parametrize("left", range(1, ENTRIES))
def test_a_removed_tail_shows(place: LedgerPlace, left: int) -> None:
    """Cut cleanly after any entry: the head, kept apart, knows how many there were."""
    frames = pairs(place)
    end = of_kind(frames, ENTRY)[left - 1] + 1
    place.rewrite(frames[:end])
    assert "the end was cut off" in place.problems()


def test_a_removed_file_and_a_removed_folder_show(place: LedgerPlace) -> None:
    """The head speaks of files that are no longer there."""
    place.part().unlink()
    assert not place.verify().is_whole
    shutil.rmtree(place.layout.chain("0001"))
    assert not place.verify().is_whole


def test_a_removed_head_shows(place: LedgerPlace) -> None:
    """A chain without its head is not believed."""
    place.head.unlink()
    assert "its head is gone" in place.problems()


def test_an_older_head_shows(tmp_path: Path) -> None:
    """A head put back to an earlier state contradicts the checkpoints of the chain."""
    place = LedgerPlace(tmp_path)
    heads = []
    with place.open() as ledger:
        for number in range(ENTRIES):
            place.clock.pass_s(1)
            ledger.append({"what": number})
            if number % 5 == 4:
                heads.append(place.head.read_bytes())
    assert place.verify().is_whole
    for old in heads:
        place.head.write_bytes(old)
        assert "replaced by an older one" in place.problems()


def test_a_swapped_chain_shows(place: LedgerPlace, tmp_path: Path) -> None:
    """A chain of another ledger with the same key does not fit the head."""
    other = LedgerPlace(tmp_path / "other")
    other.write(ENTRIES)
    shutil.copy(other.part(), place.part())
    assert "another chain" in place.problems()


def test_something_put_behind_a_clean_end_shows(place: LedgerPlace) -> None:
    """After its writer has closed a chain, nobody can add to it unseen."""
    frames = pairs(place)
    link = frames[-1][1][:LINK_BYTES]
    body = msgspec.json.encode(Entry(n=ENTRIES + 1, at_ns=1, entry={"what": "forged"}))
    place.rewrite([*frames, (ENTRY, link_of(link, ENTRY, body) + body)])
    assert "put in behind" in place.problems()


def test_a_checkpoint_without_its_signature_shows(place: LedgerPlace) -> None:
    """A statement changed under its signature is not believed."""
    frames = pairs(place)
    at = of_kind(frames, CHECKPOINT)[1]
    body = frames[at][1][LINK_BYTES:].replace(b'"entries":10', b'"entries":11')
    frames[at] = (CHECKPOINT, frames[at][1][:LINK_BYTES] + body)
    place.rewrite(relinked(frames))
    assert "not of what it says" in place.problems()


ATTACKS: dict[str, Callable[[LedgerPlace], None]] = {
    "an entry changed": lambda place: place.rewrite(change(pairs(place), 11)),
    "an entry removed": lambda place: place.rewrite(remove(pairs(place), 11)),
    "the tail removed": lambda place: place.rewrite(pairs(place)[:12]),
    "a byte flipped": lambda place: void(place.part().write_bytes(flip(place.part().read_bytes(), 700))),
    "zeroed": lambda place: void(place.part().write_bytes(bytes(place.part().stat().st_size))),
    "the file removed": lambda place: place.part().unlink(),
    "the folder removed": lambda place: shutil.rmtree(place.layout.chain("0001")),
    "the head removed": lambda place: place.head.unlink(),
    "the head damaged": lambda place: void(place.head.write_bytes(b"{}")),
}


def void(_: object) -> None:
    pass


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_later_writer_covers_no_traces(place: LedgerPlace, attack: str) -> None:
    """Whoever writes after the attack begins a new chain: what was found before is found after, byte by byte."""
    ATTACKS[attack](place)
    before = {path: path.read_bytes() for path in place.root.rglob("*.ledger")}
    found = place.problems()
    assert found
    place.write(3)
    place.write(3)
    assert place.problems() == found
    assert {path: path.read_bytes() for path in before} == before
    assert place.part(chain="0002").exists()
    assert len(place.layout.chains(place.disk)) <= 3


def test_findings_are_bounded(place: LedgerPlace) -> None:
    """A file of rubbish is told in few words."""
    frames = [(ENTRY, b"rubbish" * 10)] * 3_000
    place.rewrite(frames)
    report = place.verify()
    assert len(report.findings) == 1_000
    assert report.more >= 2_000
