"""Tokens and their hashes."""

import sqlite3
from pathlib import Path

import pytest

from tamis.errors import FormatError
from tamis.metadata.accounts import ADMIN, Accounts, reset_admin
from tamis.metadata.database import open_database
from tamis.metadata.tokens import hash_token, is_cheap, make_token, verify_token


@pytest.mark.parametrize("token", ["x", "päßwörd", "with space", "a" * 500, "tamis_short", "\udcff"])
def test_chosen_tokens_are_kept_by_scrypt(token: str) -> None:
    """Only that very token fits, and two hashes of it differ."""
    stored = hash_token(token)
    assert not is_cheap(stored)
    assert verify_token(token, stored)
    assert not verify_token(token + "x", stored)
    assert hash_token(token) != stored


def test_made_tokens_are_random_and_cheap_to_check() -> None:
    """256 bits each."""
    one, two = make_token(), make_token()
    assert one != two
    assert is_cheap(hash_token(one))
    assert verify_token(one, hash_token(one))
    assert not verify_token(two, hash_token(one))


def test_reset_gives_a_new_token(tmp_path: Path) -> None:
    """The old one is worth nothing any more."""
    accounts = Accounts(open_database(tmp_path))
    accounts.set_token(ADMIN, "old")
    before = accounts.changes_seen()
    new = reset_admin(tmp_path)
    stored = accounts.token_hash(ADMIN)
    assert accounts.changes_seen() != before
    accounts.close()
    assert stored is not None
    assert verify_token(new, stored)
    assert not verify_token("old", stored)


def test_a_newer_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """An older release leaves a newer folder alone."""
    database = open_database(tmp_path)
    with database.transaction() as connection:
        connection.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(FormatError, match="use a newer Tamis"):
        open_database(tmp_path)


def test_a_change_is_whole_or_not_at_all() -> None:
    """An error inside a transaction leaves nothing of it."""
    database = open_database(None)
    accounts = Accounts(database)
    accounts.set_token(ADMIN, make_token())
    with pytest.raises(sqlite3.OperationalError), database.transaction() as connection:
        connection.executemany("DELETE FROM tokens WHERE name = ?", [(ADMIN,)]).execute("nonsense")
    assert accounts.token_hash(ADMIN) is not None
    accounts.close()
