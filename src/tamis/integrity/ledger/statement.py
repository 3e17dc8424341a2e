"""What is signed: how far a chain had come (checkpoint, head), and where it begins now (anchor).

`{"body": {…}, "key": key id, "signature": hex}`; key and signature are empty where there is no signer.
"""

from pathlib import Path
from typing import Final, Literal

import msgspec

from tamis.disk.base import Disk
from tamis.integrity.ledger.signing import Signer, is_signed_by, key_id_of

_DOMAINS: Final = {"head": b"tamis ledger head\0", "anchor": b"tamis ledger anchor\0"}

Kind = Literal["head", "anchor"]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """Of a chain: after `entries` entries its link was `link` (hex), in or before part `part`.

    In a head `closed` says that nothing may follow. In an anchor `part` is the first that is kept, and
    `entries` and `link` are what stood before it.
    """

    chain: str
    part: int
    entries: int
    link: str
    at_ns: int
    closed: bool = False


class Signed(msgspec.Struct, frozen=True):
    """A statement as it is written."""

    body: msgspec.Raw
    key: str = ""
    signature: str = ""

    @property
    def statement(self) -> Statement:
        """What it says; msgspec.DecodeError when that is no statement."""
        return msgspec.json.decode(self.body, type=Statement)


def sign_statement(statement: Statement, kind: Kind, signer: Signer | None) -> bytes:
    """The bytes to write."""
    body = msgspec.json.encode(statement)
    if signer is None:
        return msgspec.json.encode(Signed(msgspec.Raw(body)))
    signature = signer.sign(_DOMAINS[kind] + body).hex()
    return msgspec.json.encode(Signed(msgspec.Raw(body), signer.key_id, signature))


def parse_statement(data: bytes) -> tuple[Signed, Statement] | None:
    """What was written, taken apart; None when it is no statement."""
    try:
        signed = msgspec.json.decode(data, type=Signed)
        return signed, signed.statement
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def signature_problem(signed: Signed, kind: Kind, trusted: tuple[bytes, ...]) -> str:
    """Why a signature is not to be believed; empty when it is. Without trusted keys none is asked for."""
    if not trusted:
        return ""
    if not signed.key:
        return "is not signed"
    for public in trusted:
        if key_id_of(public) == signed.key:
            good = is_signed_by(public, _DOMAINS[kind] + bytes(signed.body), _unhex(signed.signature))
            return "" if good else "has a signature that is not of what it says"
    return f"is signed by the key {signed.key}, which is not one of those given"


def read_statement(disk: Disk, path: Path) -> tuple[Signed, Statement] | Literal["absent", "damaged"]:
    """A head or an anchor from its file."""
    if not disk.exists(path):
        return "absent"
    return parse_statement(disk.read(path)) or "damaged"


def _unhex(text: str) -> bytes:
    """The bytes; none unless the text is what `hex` writes, so that there is one way to write a signature."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        return b""
    return data if data.hex() == text else b""
