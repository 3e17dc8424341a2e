"""The parts of the settings that say what happens to records on their way; one class a part, as in `parts`."""

import json
from dataclasses import dataclass
from typing import Final, cast

from tamis.settings.fields import Spec, choice, flag, names, real, seconds, special, whole
from tamis.settings.kinds import Kind, parse_list, show_list

OFF, ON = False, True
KINDS: Final = ("private_key", "jwt", "cloud_key", "credential", "email", "iban", "card", "ip", "phone")
"""What is found within texts."""
_MODES: Final = ("mask", "hash", "encrypt")


def parse_expressions(value: object) -> tuple[str, ...]:
    """Regular expressions: a list; in the environment one expression, or a list as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            found = json.loads(value)
        except json.JSONDecodeError:
            found = None
        if isinstance(found, list):
            return parse_list(found)
    if isinstance(value, str):
        return (value,) if value else ()
    return parse_list(value)


def show_expressions(value: object) -> str:
    """As JSON, which is also how the environment takes them."""
    expressions = cast("tuple[str, ...]", value)
    return json.dumps(expressions, ensure_ascii=False) if expressions else ""


def expressions(doc: str) -> tuple[str, ...]:
    """A setting that holds regular expressions; none by default."""
    kind = Kind("regular expressions", parse_expressions, show_expressions)
    return cast("tuple[str, ...]", special((), Spec(kind, doc)))


def kinds(doc: str) -> tuple[str, ...]:
    """A setting that holds kinds of sensitive data; all by default."""

    def check(value: object) -> None:
        for kind in cast("tuple[str, ...]", value):
            if kind not in KINDS:
                raise ValueError(f"there is no kind {kind!r}; there are {', '.join(KINDS)}")

    return cast(
        "tuple[str, ...]", special(KINDS, Spec(Kind("list of kinds", parse_list, show_list), doc, check))
    )


def mode(what: str) -> str:
    """What happens to one kind of sensitive data."""
    return choice("encrypt", f"What happens to {what}.", *_MODES)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSettings:
    """How many repeats of a message are kept."""

    enabled: bool = flag(ON, "Keep only a share of the records that repeat a message.")
    interval_s: float = seconds(
        "1s", "A record with service and message of one that came within this time is a repeat.", least=0.001
    )
    debug: float = real(0.1, "The share of repeats that is kept, of DEBUG and below.", most=1)
    info: float = real(1.0, "The share of repeats that is kept, of INFO and NOTICE.", most=1)
    warning: float = real(1.0, "The share of repeats that is kept, of WARNING.", most=1)
    messages_max: int = whole(10_000, "Messages that are remembered for it.", least=1)
    seed: int = whole(0, "With a number, the same records give the same choice; 0 is another each time.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressSettings:
    """Whether repeats are counted instead of sent."""

    enabled: bool = flag(OFF, "Send repeats of a record as one, with `repeat_count`.")
    keep_s: float = seconds(
        "300s",
        "How long repeats are held back at first; what repeats more, up to eight times that.",
        least=0.001,
    )
    entries_max: int = whole(
        1_000, "Messages that are known; when there are more, the oldest fifth goes.", least=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactSettings:
    """What is sensitive, and whether it is masked."""

    enabled: bool = flag(ON, "Mask what is sensitive before records go anywhere.")
    kinds: tuple[str, ...] = kinds("What is looked for within texts.")
    keys: tuple[str, ...] = names(
        "Parts of names whose values are sensitive, beside password, token, apiKey, secret and creditCard."
    )
    patterns: tuple[str, ...] = expressions(
        "Regular expressions (of Python's `re`) of what else is sensitive: group 1, or the whole match."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptSettings:
    """Whether sensitive data is hashed or encrypted instead of masked; what is sensitive, `redact` says."""

    enabled: bool = flag(OFF, "Secure what is sensitive with the keyring, and audit it; else it is masked.")
    key: str = mode("values whose names say that they are sensitive")
    email: str = mode("e-mail addresses")
    ip: str = mode("IP addresses")
    card: str = mode("numbers of payment cards")
    phone: str = mode("phone numbers")
    iban: str = mode("bank accounts")
    jwt: str = mode("JSON web tokens")
    private_key: str = mode("private keys")
    cloud_key: str = mode("keys of clouds and services")
    credential: str = mode("passwords and tokens that are named as such within a text")
    own: str = mode("what the expressions of `redact.patterns` find")
    audit: bool = flag(ON, "Write an entry to the audit for each secured record.")
