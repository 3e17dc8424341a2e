"""Envelopes: what goes in comes out in the same place with the same key, and nowhere else."""

import json
import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.errors import DecryptionError, KeyUnavailableError
from tamis.keys import TEXT_ENVELOPE, Keyring
from tamis.keys.cipher import derive
from tests.support.keyrings import KeyringPlace


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return KeyringPlace(tmp_path_factory.mktemp("keys")).open()


@given(data=st.binary(max_size=300), place=st.binary(max_size=30))
def test_bytes_come_out_as_they_went_in(keyring: Keyring, data: bytes, place: bytes) -> None:
    """Any bytes, bound to any place."""
    assert keyring.decrypt(keyring.encrypt(data, bound_to=place), bound_to=place) == data


@given(text=st.text(st.characters(codec=None), max_size=100), place=st.binary(max_size=30))
def test_text_comes_out_as_it_went_in(keyring: Keyring, text: str, place: bytes) -> None:
    """Any text, also with lone surrogates; the envelope is ASCII and found in other text."""
    envelope = keyring.encrypt_text(text, bound_to=place)
    assert keyring.decrypt_text(envelope, bound_to=place) == text
    assert TEXT_ENVELOPE.findall(f'before="{envelope}", after') == [envelope]


def test_an_envelope_opens_only_in_its_place(keyring: Keyring) -> None:
    """Another place, another purpose: DecryptionError."""
    sealed = keyring.encrypt(b"x", bound_to=b"here")
    for purpose, place in (("fields", b"there"), ("fields", b""), ("segments", b"here")):
        with pytest.raises(DecryptionError):
            keyring.decrypt(sealed, purpose=purpose, bound_to=place)


def test_every_changed_bit_is_noticed(keyring: Keyring) -> None:
    """No bit of a binary envelope can change: DecryptionError, or the key is not there."""
    sealed = keyring.encrypt(b"some bytes", bound_to=b"here")
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises((DecryptionError, KeyUnavailableError)):
            keyring.decrypt(bytes(changed), bound_to=b"here")


@pytest.mark.parametrize("length", range(40))
def test_a_cut_envelope_is_no_envelope(keyring: Keyring, length: int) -> None:
    """At whatever length."""
    with pytest.raises((DecryptionError, KeyUnavailableError)):
        keyring.decrypt(keyring.encrypt(b"abc")[:length])


@pytest.mark.parametrize(
    "text", ["", "tamis:v1:", "tamis:v2:0011223344556677:" + "A" * 40, "tamis:v1:XY:AAAA"]
)
def test_text_that_is_no_envelope_is_refused(keyring: Keyring, text: str) -> None:
    """Each with a sentence."""
    with pytest.raises(DecryptionError):
        keyring.decrypt_text(text)


def test_a_newer_version_says_so(keyring: Keyring) -> None:
    """An envelope that this release does not know names its version."""
    with pytest.raises(DecryptionError, match="version 9"):
        keyring.decrypt(b"\x09" + keyring.encrypt(b"x")[1:])


def test_the_format_stays(keyring: Keyring) -> None:
    """Version, key id, 12 bytes of nonce, ciphertext and 16 of tag: opened here with the primitives alone."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    envelope = keyring.encrypt_text("plain", bound_to=b"place")
    _, _, key_id, packed = envelope.split(":")
    raw = urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    secret = keyring._file.secret(key_id)[1]
    bound = b"tamis envelope\0" + b"\x01" + bytes.fromhex(key_id) + b"fields\0" + b"place"
    assert AESGCM(secret).decrypt(raw[:12], raw[12:], bound) == b"plain"
    assert keyring.encrypt(b"x")[:9] == b"\x01" + bytes.fromhex(key_id)
    assert "=" not in urlsafe_b64encode(raw).decode().rstrip("=")


def test_the_same_text_never_looks_the_same(keyring: Keyring) -> None:
    """Nonces are random: a thousand envelopes of one text are a thousand envelopes."""
    assert len({keyring.encrypt_text("same") for _ in range(1_000)}) == 1_000


def test_hashes_tell_texts_apart_and_nothing_else(tmp_path: Path) -> None:
    """Same text and purpose: same hash, for ever; another keyring: another hash."""
    place, other = KeyringPlace(tmp_path / "a"), KeyringPlace(tmp_path / "b")
    keyring = place.open()
    first = keyring.hash_text("ada@example.org")
    keyring.rotate()
    assert keyring.hash_text("ada@example.org") == place.open().hash_text("ada@example.org") == first
    assert len(first) == 32
    assert first not in {
        keyring.hash_text("Ada@example.org"),
        keyring.hash_text("ada@example.org", purpose="other"),
        other.open().hash_text("ada@example.org"),
    }


def test_keys_are_derived_as_rfc_5869_says() -> None:
    """HKDF-SHA-256 with an empty salt, compared with the library's."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    secret = bytes(range(32))
    for length in (8, 32, 33, 100):
        expected = HKDF(SHA256(), length, salt=None, info=b"tamis some purpose").derive(secret)
        assert derive(secret, "some purpose", length) == expected


def test_no_key_shows_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither reprs, errors, logs nor the keyring's file hold key material or plaintext."""
    caplog.set_level(logging.DEBUG)
    place = KeyringPlace(tmp_path)
    keyring = place.open()
    envelope = keyring.encrypt_text("the plaintext")
    secrets = [place.secret, *(keyring._file.secret(key.id)[1] for key in keyring.facts())]
    shown = [
        repr(keyring),
        repr(keyring._file.master),
        repr(keyring._file.keyring),
        repr(keyring.facts()),
        repr(vars(keyring)),
    ]
    with pytest.raises(DecryptionError) as caught:
        keyring.decrypt_text(envelope[:-2] + ("AA" if envelope[-2:] != "AA" else "BB"))
    shown += [
        str(caught.value),
        repr(caught.value),
        caplog.text,
        place.file.read_text(),
        json.dumps(envelope),
    ]
    for secret in secrets:
        for form in (secret.hex(), repr(secret)[2:-1], urlsafe_b64encode(secret).decode().rstrip("=")):
            assert all(form not in text for text in shown)
    assert all("the plaintext" not in text for text in shown)
