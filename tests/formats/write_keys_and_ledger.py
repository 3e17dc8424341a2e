"""Write the golden keyring and ledger of a format version: run it when a version begins, and never again."""

from pathlib import Path

from tests.support.keyrings import KeyringPlace
from tests.support.ledgers import LedgerPlace

TEXT, PLACE = "4111 1111 1111 1111", b"a place"
ENTRIES = 12


def write(folder: Path) -> None:
    """A keyring with an envelope in each form, and a ledger with checkpoints."""
    keyring = KeyringPlace(folder / "keys").open()
    (folder / "envelope.txt").write_text(keyring.encrypt_text(TEXT, bound_to=PLACE), "utf-8")
    (folder / "envelope.bin").write_bytes(keyring.encrypt(TEXT.encode(), bound_to=PLACE))
    (folder / "hash.txt").write_text(keyring.hash_text(TEXT), "utf-8")
    LedgerPlace(folder).write(ENTRIES)


if __name__ == "__main__":
    write(Path(__file__).parent / "keys_and_ledger_v1")
