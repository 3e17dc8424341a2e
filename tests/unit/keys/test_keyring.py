"""The keyring: rotation, counting, dropping, sharing, damage."""

import multiprocessing
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tamis.clock import SYSTEM_CLOCK
from tamis.disk.real import RealDisk
from tamis.errors import DamageError, DiskError, FormatError, KeyUnavailableError, LockedError
from tamis.keys import (
    FIELDS,
    SEGMENTS,
    EnvironmentProvider,
    FileProvider,
    Policy,
    keyring_from,
    open_keyring,
    policies_from,
)
from tamis.keys.policy import POLICIES, USES_MAX
from tamis.keys.providers.base import print_key
from tamis.keys.turn import our_turn
from tamis.settings import KeysSettings
from tests.support.fragile_disk import FragileDisk, PowerCut
from tests.support.hand_clock import HandClock
from tests.support.keyrings import KeyringPlace

QUICK = {FIELDS: Policy(rotate_age_s=100, rotate_uses=10, keep=2, reserve_uses=4)}
DAY_S = 86_400


def key_id(envelope: str) -> str:
    return envelope.split(":")[2]


@pytest.fixture
def place(tmp_path: Path) -> KeyringPlace:
    return KeyringPlace(tmp_path / "keys", policies=QUICK)


def test_the_promised_numbers_are_the_defaults() -> None:
    """Fields: 24 hours, 10,000 uses, the last 5 kept; stored data: 90 days, all kept."""
    fields, segments = policies_from(KeysSettings())[FIELDS], policies_from(KeysSettings())[SEGMENTS]
    assert (fields.rotate_age_s, fields.rotate_uses, fields.keep) == (DAY_S, 10_000, 5)
    assert (segments.rotate_age_s, segments.keep) == (90 * DAY_S, 0)
    assert policies_from(KeysSettings()) == POLICIES


def test_a_key_ends_after_its_uses(place: KeyringPlace) -> None:
    """Exactly so many envelopes a key, also when the block does not divide them."""
    keyring = place.open()
    ids = [key_id(keyring.encrypt_text("x")) for _ in range(35)]
    assert [ids.count(one) for one in dict.fromkeys(ids)] == [10, 10, 10, 5]


def test_a_key_ends_with_its_age(place: KeyringPlace) -> None:
    """At the age, not a moment before, also in the middle of a reserved block."""
    keyring = place.open()
    first = key_id(keyring.encrypt_text("x"))
    place.clock.sleep(99.5)
    assert key_id(keyring.encrypt_text("x")) == first
    place.clock.sleep(0.5)
    assert key_id(keyring.encrypt_text("x")) != first


def test_old_keys_decrypt_until_they_are_dropped(place: KeyringPlace) -> None:
    """The last 2 here; then the error names the key, the day and the setting."""
    keyring = place.open()
    envelopes = []
    for number in range(5):
        envelopes.append(keyring.encrypt_text(str(number)))
        keyring.rotate()
    assert [keyring.decrypt_text(envelope) for envelope in envelopes[-2:]] == ["3", "4"]
    for envelope in envelopes[:-2]:
        with pytest.raises(KeyUnavailableError, match=r"dropped on 2026-11-21.*keys\.field_keep") as caught:
            keyring.decrypt_text(envelope)
        assert caught.value.key_id == key_id(envelope)
    dropped = [event.key_id for event in place.events if event.action == "dropped"]
    assert dropped == [key_id(envelope) for envelope in envelopes[:-2]]


def test_a_dropped_secret_is_in_no_file(place: KeyringPlace) -> None:
    """Of a dropped key its name is left, and nothing that opens anything."""
    keyring = place.open()
    first = keyring.rotate()
    for _ in range(4):
        keyring.rotate()
    facts = {fact.id: fact.state for fact in keyring.facts()}
    assert facts[first] == "dropped"
    stored = {key.id: key for key in keyring._file.keyring.keys}
    assert stored[first].wrapped == b""


def test_a_destroyed_key_opens_nothing(place: KeyringPlace) -> None:
    """Not here, not in another process that reads the file; and the next envelope has another key."""
    keyring, other = place.open(), place.open()
    envelope = keyring.encrypt_text("x")
    keyring.destroy(key_id(envelope))
    keyring.destroy(key_id(envelope))
    other.facts()
    for one in (keyring, other, place.open()):
        with pytest.raises(KeyUnavailableError, match="was destroyed on 2026-11-21"):
            one.decrypt_text(envelope)
    assert key_id(keyring.encrypt_text("x")) != key_id(envelope)
    assert [event.action for event in place.events] == ["created", "destroyed", "created"]


def test_an_unknown_key_is_named(place: KeyringPlace) -> None:
    """An envelope of another keyring says which key it needs."""
    other = KeyringPlace(place.folder.parent / "other").open()
    envelope = other.encrypt_text("x")
    with pytest.raises(KeyUnavailableError, match=key_id(envelope)):
        place.open().decrypt_text(envelope)


def test_uses_are_written_down_before_they_happen(place: KeyringPlace) -> None:
    """At every moment the file counts at least what was used; a crash burns the rest of a block."""
    keyring = place.open()
    for used in range(1, 11):
        keyring.encrypt_text("x")
        counted = place.open().facts()[-1].used
        assert used <= counted <= used + 3
    crashed = place.open()
    crashed.encrypt_text("x")
    del crashed
    after = place.open()
    ids = [key_id(after.encrypt_text("x")) for _ in range(7)]
    assert [ids.count(one) for one in dict.fromkeys(ids)] == [6, 1], "a block of 4 was burnt"


def test_two_processes_share_a_count(place: KeyringPlace) -> None:
    """Both together use a key no more often than it may be, and read each other's envelopes."""
    one, two = place.open(), place.open()
    envelopes = [keyring.encrypt_text("x") for _ in range(30) for keyring in (one, two)]
    ids = [key_id(envelope) for envelope in envelopes]
    assert max(ids.count(known) for known in ids) <= 10
    kept = [envelope for envelope in envelopes if key_id(envelope) in ids[-10:]]
    assert {keyring.decrypt_text(envelope) for keyring in (one, two) for envelope in kept} == {"x"}


def encrypt_some(folder: Path, count: int, results: "multiprocessing.Queue[list[str]]") -> None:
    # Real time: others have to be waited for.
    policies = {FIELDS: replace(QUICK[FIELDS], rotate_uses=50, keep=0)}
    keyring = KeyringPlace(folder, clock=SYSTEM_CLOCK, policies=policies).open()
    results.put([keyring.encrypt_text(str(os.getpid())) for _ in range(count)])


def test_real_processes_share_a_keyring(place: KeyringPlace) -> None:
    """Four processes that begin at once, with an empty folder: one keyring, exact counts, all readable."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[list[str]] = context.Queue()
    children = [context.Process(target=encrypt_some, args=(place.folder, 60, results)) for _ in range(4)]
    for child in children:
        child.start()
    envelopes = [envelope for _ in children for envelope in results.get(timeout=60)]
    for child in children:
        child.join(60)
    ids = [key_id(envelope) for envelope in envelopes]
    assert len(envelopes) == 240
    assert max(ids.count(known) for known in set(ids)) <= 50
    keyring = place.open()
    assert {int(keyring.decrypt_text(envelope)) for envelope in envelopes} == {
        child.pid for child in children
    }


def test_a_forked_child_reserves_for_itself(place: KeyringPlace) -> None:
    """A child does not use what its parent wrote down."""
    keyring = place.open()
    keyring.encrypt_text("x")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, keyring.encrypt_text("child").encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert keyring.decrypt_text(os.read(reading, 1_000).decode()) == "child"
    assert place.open().facts()[-1].used == 8
    os.close(reading)
    os.close(writing)


def test_threads_share_a_keyring(place: KeyringPlace) -> None:
    """Eight threads: no use is counted twice or not at all."""
    place.policies = {FIELDS: replace(QUICK[FIELDS], rotate_uses=100, keep=0)}
    keyring = place.open()
    envelopes: list[str] = []

    def work() -> None:
        envelopes.extend(keyring.encrypt_text("x") for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [key_id(envelope) for envelope in envelopes]
    assert sorted(ids.count(known) for known in set(ids)) == [100, 100, 100, 100]


def test_another_master_key_is_refused(place: KeyringPlace) -> None:
    """The wrong key-encryption key is told as such, not as damage."""
    place.open()
    place.secret = bytes(32)
    with pytest.raises(KeyUnavailableError, match="was made with the key-encryption key"):
        place.open()


def test_a_master_key_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    """Where a keyring is, a missing key file is an error: a new key would open nothing."""
    master = tmp_path / "master.key"
    open_keyring(RealDisk(), tmp_path / "keys", provider=FileProvider(RealDisk(), master))
    master.unlink()
    with pytest.raises(KeyUnavailableError):
        open_keyring(RealDisk(), tmp_path / "keys", provider=FileProvider(RealDisk(), master))
    assert not master.exists()


def test_the_master_key_may_lie_in_the_keyrings_folder(tmp_path: Path) -> None:
    """Making both does not wait for itself."""
    provider = FileProvider(RealDisk(), tmp_path / "master.key")
    keyring = open_keyring(RealDisk(), tmp_path, provider=provider)
    assert keyring.decrypt_text(keyring.encrypt_text("x")) == "x"


def test_rewrapping_changes_no_envelope(place: KeyringPlace) -> None:
    """After a new key-encryption key everything opens with it, and nothing with the old one."""
    keyring = place.open()
    envelope, hashed = keyring.encrypt_text("x"), keyring.hash_text("x")
    new = bytes(reversed(range(32)))
    keyring.rewrap(EnvironmentProvider("NEW", {"NEW": print_key(new)}))
    assert keyring.decrypt_text(envelope) == "x"
    assert keyring.check() == []
    with pytest.raises(KeyUnavailableError):
        place.open()
    place.secret = new
    again = place.open()
    assert (again.decrypt_text(envelope), again.hash_text("x")) == ("x", hashed)


def test_every_changed_byte_of_the_file_is_noticed(place: KeyringPlace) -> None:
    """Neither a count nor a state can be changed without the key-encryption key."""
    keyring = place.open()
    keyring.encrypt_text("x")
    whole = place.file.read_bytes()
    for at in range(len(whole)):
        place.file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises((DamageError, KeyUnavailableError, FormatError)):
            place.open()
    place.file.write_bytes(whole.replace(b'"used":4', b'"used":0'))
    with pytest.raises(DamageError, match="changed by someone"):
        place.open()


def test_check_says_what_is_wrong(place: KeyringPlace) -> None:
    """Nothing when all is well; a sentence when the provider or the file is not what it was."""
    keyring = place.open()
    keyring.encrypt_text("x")
    assert keyring.check() == []
    place.file.write_bytes(place.file.read_bytes().replace(b'"used":4', b'"used":0'))
    assert "changed by someone" in keyring.check()[0]
    place.file.unlink()
    assert "keyring.json" in keyring.check()[0]


def test_a_disk_that_refuses_stops_encryption_not_decryption(tmp_path: Path) -> None:
    """When the count cannot be written nothing is encrypted with it; the next try may succeed."""
    disk = FragileDisk(tmp_path)
    place = KeyringPlace(tmp_path / "keys", policies=QUICK, disk=disk)
    keyring = place.open()
    envelopes = [keyring.encrypt_text("x") for _ in range(4)]
    disk.refuse("sync")
    with pytest.raises(DiskError):
        keyring.encrypt_text("x")
    assert {keyring.decrypt_text(envelope) for envelope in envelopes} == {"x"}
    assert keyring.decrypt_text(keyring.encrypt_text("y")) == "y"


def test_no_power_cut_lowers_a_count_or_loses_a_key(tmp_path: Path) -> None:
    """Cut at any operation: what was encrypted opens afterwards, and no key is used more often than allowed."""
    for cut_at in range(1, 60):
        root = tmp_path / str(cut_at)
        root.mkdir()
        disk = FragileDisk(root, cut_at=cut_at)
        policies = {FIELDS: replace(QUICK[FIELDS], keep=0)}
        place = KeyringPlace(root / "keys", policies=policies, disk=disk)
        envelopes: list[str] = []
        try:
            keyring = place.open()
            for _ in range(25):
                envelopes.append(keyring.encrypt_text("x"))
        except PowerCut:
            pass
        disk.after_power_cut("forget")
        place.disk = RealDisk()
        keyring = place.open()
        assert {keyring.decrypt_text(envelope) for envelope in envelopes} <= {"x"}
        envelopes += [keyring.encrypt_text("x") for _ in range(25)]
        ids = [key_id(envelope) for envelope in envelopes]
        assert max(ids.count(known) for known in ids) <= 10


def test_a_busy_keyring_is_waited_for_and_then_given_up(place: KeyringPlace) -> None:
    """Who holds the folder for too long is named."""
    keyring = place.open()
    with (
        our_turn(place.folder, HandClock(), purpose="a long job"),
        pytest.raises(LockedError, match="a long job"),
    ):
        keyring.encrypt_text("x")
    assert keyring.encrypt_text("x")


def test_policies_have_bounds() -> None:
    """No key may come near the 2**32 nonces that AES-GCM bears."""
    with pytest.raises(ValueError, match="rotate_uses"):
        Policy(rotate_age_s=0, rotate_uses=USES_MAX + 1, keep=0)
    with pytest.raises(ValueError, match="reserve_uses"):
        Policy(rotate_age_s=0, rotate_uses=1, keep=0, reserve_uses=0)
    assert USES_MAX <= 2**32 // 16


@pytest.mark.parametrize("purpose", ["", "a\0b", "x" * 65])
def test_a_purpose_is_a_short_name(place: KeyringPlace, purpose: str) -> None:
    """Nothing that could run into what an envelope is bound to."""
    with pytest.raises(ValueError, match="purpose"):
        place.open().encrypt(b"x", purpose=purpose)


def test_the_settings_make_a_keyring(tmp_path: Path) -> None:
    """With folder, provider and numbers as they say."""
    settings = KeysSettings(
        keyring=tmp_path / "ring", file=tmp_path / "master.key", field_uses=3, reserve_uses=2, field_keep=0
    )
    keyring = keyring_from(settings, RealDisk(), clock=HandClock())
    ids = [key_id(keyring.encrypt_text("x")) for _ in range(7)]
    assert [ids.count(one) for one in dict.fromkeys(ids)] == [3, 3, 1]


def test_names_of_old_keys_are_bounded(place: KeyringPlace) -> None:
    """After very many rotations the file still is small."""
    place.policies = {FIELDS: replace(QUICK[FIELDS], keep=1)}
    place.disk = RealDisk()
    keyring = place.open()
    for _ in range(230):
        keyring.rotate()
    assert len(keyring.facts()) == 202
