"""Tokens: made, hashed, compared. The text of a token is kept nowhere."""

import base64
import hashlib
import secrets
from hmac import compare_digest

PREFIX = "tamis_"
_MADE_CHARS = len(PREFIX) + 43
_SCRYPT_COST = {"n": 1 << 14, "r": 8, "p": 1, "maxmem": 64 << 20}


def make_token() -> str:
    """A new token with 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """SHA-256 in hexadecimal: enough for random tokens and for looking things up."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def hash_token(token: str) -> str:
    """What is stored of a token: SHA-256 of our own random ones, scrypt of what people chose."""
    if token.startswith(PREFIX) and len(token) == _MADE_CHARS:
        return f"sha256${digest(token)}"
    salt = secrets.token_bytes(16)
    return f"scrypt${_b64(salt)}${_b64(_scrypt(token, salt))}"


def verify_token(token: str, stored: str) -> bool:
    """Whether `stored` was made of this token; the time it takes says nothing of where they differ."""
    kind, _, rest = stored.partition("$")
    if kind == "sha256":
        return compare_digest(digest(token), rest)
    salt, _, expected = rest.partition("$")
    return compare_digest(_scrypt(token, base64.b64decode(salt)), base64.b64decode(expected))


def is_cheap(stored: str) -> bool:
    """Whether comparing takes microseconds (and not the milliseconds that guard a chosen token)."""
    return stored.startswith("sha256$")


def _scrypt(token: str, salt: bytes) -> bytes:
    return hashlib.scrypt(token.encode("utf-8", "surrogatepass"), salt=salt, dklen=32, **_SCRYPT_COST)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
