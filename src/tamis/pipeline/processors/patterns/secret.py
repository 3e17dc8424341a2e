"""Secrets that can be told by their own look: JSON web tokens, private keys, keys of clouds and services."""

import re
from collections.abc import Iterator
from typing import Final

from tamis.pipeline.processors.patterns.base import DASHES, RUN, START, Pattern, Span

JWT_KIND, PRIVATE_KEY_KIND, CLOUD_KEY_KIND = "jwt", "private_key", "cloud_key"
_JWT: Final = re.compile(r"ey[JK][0-9A-Za-z_-]{10,}+((?:\.[0-9A-Za-z_-]*+){0,4}+)", re.ASCII)
_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----", re.ASCII)
_FINISH: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}?PRIVATE KEY(?: BLOCK)?-----", re.ASCII)
PREFIXES: Final = (
    *("AKIA", "ASIA", "ABIA", "ACCA", "A3T", "AIza", "ya29.", "GOCSPX-", "AccountKey=", "SharedAccessKey="),
    *(
        "sig=",
        "Q~",
        "gh",
        "github_pat_",
        "gl",
        "xox",
        "xapp-",
        "hooks.slack.com",
        "k_live_",
        "k_test_",
        "whsec_",
    ),
    *("SG.", "npm_", "pypi-", "sk-", "hf_", "do", "shp", "dapi", "hvs.", "hvb.", "AGE-SECRET-KEY-1", "key-"),
    *("tamis_", "SK", ":AA"),
)
"""One of them stands in every text that holds a key."""
SHORTEST_KEY: Final = 14
"""As long as any key or token is at least: a token whose end was cut off, `eyJ…` with ten more and a dot."""
_CLOUD: Final = re.compile(
    START
    + "(?:"
    + "|".join(
        (
            r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![0-9A-Za-z])",  # Amazon
            r"AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])",  # Google
            r"ya29\.[0-9A-Za-z_-]{20,}+",
            r"GOCSPX-[0-9A-Za-z_-]{20,}+",
            r"(?:AccountKey|SharedAccessKey)=[0-9A-Za-z+/]{40,}+={0,2}",  # Azure
            r"sig=[0-9A-Za-z%+/]{40,}+(?:={1,2}|%3[Dd])?",
            r"[0-9A-Za-z_.~-]{3}[78]Q~[0-9A-Za-z_.~-]{31,34}(?![0-9A-Za-z_~-])",
            r"(?:gh[pousr]_[0-9A-Za-z]{36,}+|github_pat_[0-9A-Za-z_]{22,}+)",  # GitHub
            r"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[0-9A-Za-z_-]{20,}+",  # GitLab
            r"xox[a-z](?:\.xox[a-z])?-[0-9A-Za-z-]{10,}+|xapp-[0-9A-Za-z-]{20,}+",  # Slack
            r"hooks\.slack\.com/(?:services|workflows)/[0-9A-Za-z+/]{20,}+",
            r"(?:[spr]k_(?:live|test)_[0-9A-Za-z]{16,}+|whsec_[0-9A-Za-z+/=]{24,}+)",  # Stripe
            r"SG\.[0-9A-Za-z_-]{16,32}\.[0-9A-Za-z_-]{16,}+",  # SendGrid
            r"npm_[0-9A-Za-z]{36,}+|pypi-[0-9A-Za-z_-]{50,}+",
            r"sk-(?:proj-|ant-|svcacct-|or-|admin-)?[0-9A-Za-z_-]{20,}+",  # OpenAI, Anthropic, OpenRouter
            r"hf_[0-9A-Za-z]{30,}+",  # Hugging Face
            r"do[opr]_v1_[0-9a-f]{64}",  # DigitalOcean
            r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",  # Shopify
            r"dapi[0-9a-f]{32}(?:-\d)?(?![0-9A-Za-z])",  # Databricks
            r"hv[sb]\.[0-9A-Za-z_-]{24,}+",  # Vault
            r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
            r"key-[0-9a-f]{32}(?![0-9A-Za-z])",  # Mailgun
            r"SK[0-9a-f]{32}(?![0-9A-Za-z])",  # Twilio
            r"\d{8,10}:AA[0-9A-Za-z_-]{33}(?![0-9A-Za-z_-])",  # Telegram
            r"tamis_[0-9A-Za-z_-]{43}(?![0-9A-Za-z_-])",
        )
    )
    + ")",
    re.ASCII,
)


def find_jwt(text: str) -> Iterator[Span]:
    """Tokens with a header and at least one part more, also when their end was cut off."""
    if "eyJ" in text or "eyK" in text:
        for match in _JWT.finditer(text):
            if match[1]:
                yield match.span()


def find_private_key(text: str) -> Iterator[Span]:
    """Private keys in PEM, also with line ends as two characters; without its end, all that follows is taken."""
    at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        finish = _FINISH.search(text, begin.end())
        at = finish.end() if finish is not None else len(text)
        yield begin.start(), at


def find_cloud_key(text: str) -> Iterator[Span]:
    """Keys that begin as those of a known service do."""
    for prefix in PREFIXES:
        if prefix in text:
            break
    else:
        return
    for match in _CLOUD.finditer(text):
        yield match.span()


JWT: Final = Pattern(JWT_KIND, "***JWT***", RUN, find_jwt)
PRIVATE_KEY: Final = Pattern(PRIVATE_KEY_KIND, "***PRIVATE_KEY***", DASHES, find_private_key)
CLOUD_KEY: Final = Pattern(CLOUD_KEY_KIND, "***KEY***", RUN, find_cloud_key)
