"""`tamis keys`, `tamis decrypt` and `tamis audit`, as people call them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tamis.disk.real import RealDisk
from tamis.integrity.ledger import ledger_from
from tamis.keys import Keyring, keyring_from
from tamis.settings import AuditSettings, KeysSettings
from tests.support.commands import Ran, environment, tamis, tamis_here

SHARE, CONFIG, STATE = Path(".local/share/tamis"), Path(".config/tamis"), Path(".local/state/tamis")


def open_keyring(home: Path, *, field_keep: int = 5) -> Keyring:
    place = KeysSettings(
        keyring=home / SHARE / "keys", file=home / CONFIG / "master.key", field_keep=field_keep
    )
    return keyring_from(place, RealDisk())


def audit_settings(home: Path) -> AuditSettings:
    return AuditSettings(
        ledger=home / SHARE / "audit",
        heads=home / STATE / "audit-heads",
        signing_key=home / CONFIG / "audit.key",
    )


def write_audit(home: Path, count: int = 5) -> None:
    with ledger_from(audit_settings(home), RealDisk()) as ledger:
        for number in range(count):
            ledger.append({"action": "read", "number": number})


def test_keys_are_listed_and_rotated(tmp_path: Path) -> None:
    """A new key takes the place of the old one, which stays readable; no secret is printed."""
    keyring = open_keyring(tmp_path)
    envelope = keyring.encrypt_text("x")
    made = json.loads(tamis_here("keys", "rotate", "--json", home=tmp_path).out)["rotated"]["fields"]
    listed = json.loads(tamis_here("keys", "list", "--json", home=tmp_path).out)["keys"]
    assert [(key["id"], key["state"]) for key in listed] == [
        (envelope.split(":")[2], "retired"),
        (made, "active"),
    ]
    assert "secret" not in listed[0]
    assert made in tamis_here("keys", "list", home=tmp_path).out
    assert keyring.decrypt_text(envelope) == "x"


def test_check_exits_with_what_it_found(tmp_path: Path) -> None:
    """0 when every key opens; 1 with a sentence when the file of the key-encryption key is open to others."""
    open_keyring(tmp_path).encrypt_text("x")
    whole = tamis_here("keys", "check", home=tmp_path)
    assert (whole.code, "1 keys open" in whole.out) == (0, True)
    (tmp_path / CONFIG / "master.key").chmod(0o644)
    wrong = tamis_here("keys", "check", home=tmp_path)
    assert (wrong.code, "chmod 600" in wrong.out) == (1, True)


def test_looking_at_keys_makes_none(tmp_path: Path) -> None:
    """Where there is no keyring there is none afterwards."""
    for command in ("list", "rotate"):
        ran = tamis_here("keys", command, home=tmp_path)
        assert (ran.code, "holds no keyring" in ran.err) == (3, True)
    assert list(tmp_path.iterdir()) == []


def decrypted(home: Path, text: str) -> Ran:
    return tamis("decrypt", home=home, given=text)


def test_decrypt_opens_envelopes_wherever_they_stand(tmp_path: Path) -> None:
    """In plain text, in JSON (which stays JSON), between quotes; all else stays byte for byte."""
    keyring = open_keyring(tmp_path)
    nasty = 'a "b"\\\n\t\u2028é'
    secret = keyring.encrypt_text(nasty)
    plain = keyring.encrypt_text("4111")
    ran = decrypted(
        tmp_path, f'paid with {plain}, twice {plain}\n{{"a": "x {secret} y"}}\n  "b": "{secret}",\nend'
    )
    first, second, third, end = ran.out.split("\n")
    assert (ran.code, ran.err, first, end) == (0, "", "paid with 4111, twice 4111", "end")
    assert json.loads(second) == {"a": f"x {nasty} y"}
    assert json.loads("{" + third.rstrip(",") + "}") == {"b": nasty}


def test_decrypt_keeps_bytes_that_are_no_text(tmp_path: Path) -> None:
    """A file is written out as it was read, but for its envelopes."""
    envelope = open_keyring(tmp_path).encrypt_text("öl")
    (tmp_path / "a.log").write_bytes(b"\xff\xfe " + envelope.encode() + b" \x80\r\n")
    written = subprocess.run(
        [sys.executable, "-m", "tamis.cli", "decrypt", "a.log"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    assert written == b"\xff\xfe " + "öl".encode() + b" \x80\r\n"


def test_decrypt_tells_of_envelopes_that_stay_closed(tmp_path: Path) -> None:
    """They stay as they are, are counted by reason on standard error, and the exit code is 1."""
    keyring = open_keyring(tmp_path, field_keep=1)
    lost = keyring.encrypt_text("lost")
    keyring.rotate()
    keyring.rotate()
    kept = keyring.encrypt_text("kept")
    ran = decrypted(tmp_path, f"{lost} {kept} {lost[:-1]}{'A' if lost[-1] != 'A' else 'Q'}\n")
    assert ran.code == 1
    assert ran.out.split()[:2] == [lost, "kept"]
    assert "2 of 3 envelopes did not open" in ran.err
    assert lost.split(":")[2] in ran.err
    assert "dropped" in ran.err


def test_decrypt_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Wrong use, before anything is printed."""
    open_keyring(tmp_path)
    ran = tamis_here("decrypt", "gone.log", home=tmp_path)
    assert (ran.code, ran.out) == (2, "")


def test_audit_verify_finds_what_was_changed(tmp_path: Path) -> None:
    """0 and the count when all is as it was written; 1, with chain and entry, when not."""
    write_audit(tmp_path)
    whole = tamis_here("audit", "verify", home=tmp_path)
    assert (whole.code, "whole; 5 entries in 1 chains" in whole.out) == (0, True)
    part = tmp_path / SHARE / "audit/0001/000001.ledger"
    part.write_bytes(part.read_bytes().replace(b'"number":3', b'"number":4'))
    wrong = tamis_here("audit", "verify", "--json", home=tmp_path)
    report = json.loads(wrong.out)
    assert (wrong.code, report["whole"]) == (1, False)
    assert any(finding["entry"] == 4 for finding in report["findings"])


def test_audit_verify_elsewhere_needs_the_public_key_alone(tmp_path: Path) -> None:
    """A copy of the audit is checked with what `--json` printed; another key is not believed."""
    write_audit(tmp_path)
    public = json.loads(tamis_here("audit", "verify", "--json", home=tmp_path).out)["public_keys"][0]
    (tmp_path / CONFIG / "audit.key").unlink()
    without = tamis_here("audit", "verify", home=tmp_path)
    assert "signatures were not checked" in without.out
    assert without.code == 3  # or removing the key would be all that who wrote the audit anew has to do
    assert tamis_here("audit", "verify", "--public-key", public, home=tmp_path).code == 0
    assert tamis_here("audit", "verify", "--public-key", "00" * 32, home=tmp_path).code == 1


def test_audit_export_prints_entries(tmp_path: Path) -> None:
    """NDJSON with chain, number, time, entry and link; from a time on, when one is given."""
    write_audit(tmp_path)
    lines = [json.loads(line) for line in tamis_here("audit", "export", home=tmp_path).out.splitlines()]
    assert [line["entry"]["number"] for line in lines] == [0, 1, 2, 3, 4]
    assert set(lines[0]) == {"chain", "number", "at", "entry", "link"}
    assert tamis_here("audit", "export", "--until", "2020-01-01T00:00:00Z", home=tmp_path).out == ""
    since = tamis_here("audit", "export", "--since", "1h", home=tmp_path).out
    assert len(since.splitlines()) == 5


@pytest.mark.parametrize("command", ["verify", "export"])
def test_an_audit_that_is_not_there_is_told(tmp_path: Path, command: str) -> None:
    """Wrong use; nothing is made."""
    assert tamis_here("audit", command, home=tmp_path).code == 2
    assert list(tmp_path.iterdir()) == []
