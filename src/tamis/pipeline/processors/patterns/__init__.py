"""Sensitive data in texts: one file a family of patterns, found together by `detect.Detector`."""

from typing import Final

from tamis.pipeline.processors.patterns.address import V4, V6
from tamis.pipeline.processors.patterns.base import Pattern
from tamis.pipeline.processors.patterns.card import CARD
from tamis.pipeline.processors.patterns.credential import CREDENTIAL, USERINFO
from tamis.pipeline.processors.patterns.email import EMAIL
from tamis.pipeline.processors.patterns.iban import IBAN
from tamis.pipeline.processors.patterns.phone import PHONE
from tamis.pipeline.processors.patterns.secret import CLOUD_KEY, JWT, PRIVATE_KEY

PATTERNS: Final[tuple[Pattern, ...]] = (
    PRIVATE_KEY,
    USERINFO,
    JWT,
    CLOUD_KEY,
    CREDENTIAL,
    EMAIL,
    IBAN,
    CARD,
    V6,
    V4,
    PHONE,
)
"""Where two find the same characters, the earlier has them."""

SECRETS: Final = tuple(
    one for one in PATTERNS if one.kind in ("private_key", "jwt", "cloud_key", "credential")
)
"""What lets somebody in; the others tell of people."""

__all__ = ["PATTERNS", "SECRETS", "Pattern"]
