"""Encryption: each kind by its mode, audited, and masked when keys are not to be had."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.redaction_cases import CARDS, EMAILS
from tamis.clock import SYSTEM_CLOCK
from tamis.disk.real import RealDisk
from tamis.errors import KeyUnavailableError
from tamis.integrity.ledger import Layout, read_ledger
from tamis.keys import TEXT_ENVELOPE, Keyring
from tamis.pipeline.processors.encrypt import Encrypt, encrypt_from
from tamis.record.model import INSTANT_MAX, Record
from tamis.settings import load_settings
from tests.support.hand_clock import HandClock
from tests.support.keyrings import KeyringPlace

SECRET = "bob@example.com"


class Told(list[str]):
    def tell(self, _topic: str, sentence: str) -> None:
        self.append(sentence)


def encrypt(
    folder: Path,
    told: Told | None = None,
    clock: Any = SYSTEM_CLOCK,
    given_: Mapping[str, object] | None = None,
) -> Encrypt:
    keys: dict[str, object] = {
        "keys.keyring": str(folder / "keys"),
        "keys.file": str(folder / "master.key"),
        "audit.ledger": str(folder / "audit"),
        "audit.heads": str(folder / "heads"),
        "audit.signing_key": str(folder / "audit.key"),
    }
    tell = (told if told is not None else Told()).tell
    return encrypt_from(load_settings(keys | dict(given_ or {}), {}), tell, clock=clock)


def entries(folder: Path) -> list[Any]:
    return [one.entry for one in read_ledger(RealDisk(), Layout(folder / "audit", folder / "heads"))]


def test_each_kind_has_its_mode(tmp_path: Path) -> None:
    """Mask, keyed hash and envelope, side by side."""
    processor = encrypt(tmp_path, given_={"encrypt.email": "mask", "encrypt.ip": "hash"})
    found = processor.process(Record(timestamp=1, message=f"{SECRET} 10.0.0.1 10.0.0.1 4111111111111111"))
    mail, first, second, card = found.message.split()
    assert mail == "***@***.***"
    assert first == second
    assert first.startswith("ip:hash:")
    assert TEXT_ENVELOPE.fullmatch(card)
    assert processor.process(found) is found


def test_the_audit_says_what_was_done_and_never_to_what(tmp_path: Path) -> None:
    """One entry for each secured record, none for others; safe after the end."""
    processor = encrypt(tmp_path)
    for message in (SECRET, "nothing", f"{SECRET} and amy@example.com"):
        processor.process(
            Record(timestamp=7, message=message, logger="l", attributes={"process": "ab", "process_id": 3})
        )
    processor.due(INSTANT_MAX)
    found = entries(tmp_path)
    assert [one["kinds"] for one in found] == [{"email": 1}, {"email": 2}]
    assert [(one["logger"], one["timestamp"], one["process"], one["process_id"]) for one in found] == [
        ("l", 7, "ab", 3)
    ] * 2
    assert all(len(one["keys"]) == 1 for one in found)
    assert "@" not in str(found)
    processor.process(Record(timestamp=8, message=SECRET))
    processor.due(INSTANT_MAX)
    assert len(entries(tmp_path)) == 3


def test_without_an_audit_it_secures_all_the_same(tmp_path: Path) -> None:
    """`encrypt.audit = false` writes nothing; a ledger that cannot be opened is told, and tried again."""
    processor = encrypt(tmp_path, given_={"encrypt.audit": False})
    assert TEXT_ENVELOPE.fullmatch(processor.process(Record(timestamp=1, message=SECRET)).message)
    assert not (tmp_path / "audit").exists()
    (tmp_path / "file").write_text("", encoding="utf-8")
    told, clock = Told(), HandClock()
    processor = encrypt(tmp_path, told, clock, given_={"audit.ledger": str(tmp_path / "file" / "x")})
    for _ in range(3):
        assert TEXT_ENVELOPE.fullmatch(processor.process(Record(timestamp=1, message=SECRET)).message)
    assert len(told) == 1
    clock.pass_s(61)
    processor.process(Record(timestamp=1, message=SECRET))
    assert len(told) == 2


def test_while_keys_are_away_everything_is_masked(tmp_path: Path) -> None:
    """Counted, told once, and encrypted again a minute after the key is back."""
    told, clock = Told(), HandClock()
    (tmp_path / "master.key").write_text("no key", encoding="utf-8")
    processor = encrypt(tmp_path, told, clock)
    record = Record(timestamp=1, message=SECRET, attributes={"password": "x"})
    found = processor.process(record)
    assert (found.message, found.attributes) == ("***@***.***", {"password": "***REDACTED***"})
    assert processor.masked_instead == 2
    assert len(told) == 1
    (tmp_path / "master.key").unlink()
    assert processor.process(record).message == "***@***.***"
    clock.pass_s(61)
    assert TEXT_ENVELOPE.fullmatch(processor.process(record).message)


def test_whole_values_of_sensitive_names_come_back(tmp_path: Path) -> None:
    """Lists and objects as JSON, numbers as text."""
    processor = encrypt(tmp_path)
    attributes: dict[str, Any] = {"secret": {"a": [1, "ü"]}, "api_key": 42, "token": "t \udc80"}
    found = processor.process(Record(timestamp=1, attributes=attributes)).attributes
    keyring = processor._open()
    opened = {name: keyring.decrypt_text(str(value)) for name, value in found.items()}
    assert opened == {"secret": '{"a":[1,"ü"]}', "api_key": "42", "token": "t \udc80"}


def test_keys_rotate_by_use_and_old_ones_open(tmp_path: Path) -> None:
    """The keyring's rotation is the processor's: after so many fields another key."""
    processor = encrypt(tmp_path, given_={"keys.field_uses": 5, "keys.reserve_uses": 1, "keys.field_keep": 5})
    found = [processor.process(Record(timestamp=1, message=SECRET)).message for _ in range(12)]
    assert len({text[:25] for text in found}) == 3
    keyring = processor._open()
    assert {keyring.decrypt_text(text) for text in found} == {SECRET}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Encrypt:
    return encrypt(tmp_path_factory.mktemp("shared"), given_={"encrypt.audit": False})


@settings(max_examples=60, deadline=None)
@given(parts=st.lists(st.sampled_from((*EMAILS, *CARDS, "and", "or", "(", "=", ":", ", ")), max_size=6))
def test_opening_all_envelopes_gives_the_text_back(shared: Encrypt, parts: list[str]) -> None:
    """Whatever stands beside it; and what was secured is left alone the next time."""
    text = " ".join(parts)
    found = shared.text(text)
    keyring: Keyring = shared._open()
    assert TEXT_ENVELOPE.sub(lambda match: keyring.decrypt_text(match[0]), found) == text
    assert shared.text(found) == found


def test_another_keyring_opens_nothing(tmp_path: Path, shared: Encrypt) -> None:
    """An envelope is closed to whoever has other keys."""
    other = KeyringPlace(tmp_path / "other").open()
    with pytest.raises(KeyUnavailableError):
        other.decrypt_text(shared.text(SECRET))
