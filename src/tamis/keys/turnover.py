"""What becomes of a keyring's keys: made, used, followed by the next, dropped, destroyed. Pure functions."""

from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace

from tamis.clock import NS_PER_S
from tamis.errors import KeyUnavailableError
from tamis.keys.policy import Policy
from tamis.keys.stored import Master, StoredKey, StoredKeyring

NAMES_MAX: Final = 200
"""Of keys that are gone, the last so many stay known by name."""

Action = Literal["created", "retired", "dropped", "destroyed", "rewrapped"]


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """Something happened to a key: what an audit should hold. Never key material."""

    action: Action
    key_id: str
    purpose: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Change:
    """A keyring as it shall be written, and what happened on the way."""

    keyring: StoredKeyring
    events: tuple[KeyEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Reserved:
    """So many uses of a key that are written down as used, to be begun before `until_ns` (None: any time)."""

    key_id: str
    uses: int
    until_ns: int | None


def active_key(keyring: StoredKeyring, purpose: str) -> StoredKey | None:
    """The key that encrypts now."""
    return next((k for k in reversed(keyring.keys) if k.purpose == purpose and k.state == "active"), None)


def ends_ns(key: StoredKey, policy: Policy) -> int | None:
    """When age ends a key; None for never."""
    return key.created_ns + round(policy.rotate_age_s * NS_PER_S) if policy.rotate_age_s else None


def is_due(key: StoredKey, policy: Policy, now_ns: int) -> bool:
    """Whether the next key must take its place."""
    end = ends_ns(key, policy)
    return key.used >= policy.rotate_uses or (end is not None and now_ns >= end)


def next_key(keyring: StoredKeyring, purpose: str, policy: Policy, *, master: Master, now_ns: int) -> Change:
    """A new active key; the one before only decrypts now, and of the old ones the oldest are dropped."""
    made = master.make_key(keyring.id, purpose, now_ns)
    keys, events = [], []
    for key in keyring.keys:
        if key.purpose == purpose and key.state == "active":
            keys.append(replace(key, state="retired", ended_ns=now_ns))
            events.append(KeyEvent("retired", key.id, purpose, now_ns))
        else:
            keys.append(key)
    events.append(KeyEvent("created", made.id, purpose, now_ns))
    kept = drop_old(replace(keyring, keys=(*keys, made)), purpose, policy, now_ns=now_ns)
    return Change(kept.keyring, (*events, *kept.events))


def drop_old(keyring: StoredKeyring, purpose: str, policy: Policy, *, now_ns: int) -> Change:
    """Without the secrets of the oldest keys beyond those that the policy keeps."""
    old = [key.id for key in keyring.keys if key.purpose == purpose and key.state == "retired"]
    gone = set(old[: -policy.keep]) if policy.keep else set()
    if not gone:
        return Change(keyring)
    keys = tuple(_ended(key, "dropped", now_ns) if key.id in gone else key for key in keyring.keys)
    events = tuple(KeyEvent("dropped", key_id, purpose, now_ns) for key_id in old if key_id in gone)
    return Change(replace(keyring, keys=_names_bounded(keys)), events)


def destroy_key(keyring: StoredKeyring, key_id: str, *, now_ns: int) -> Change:
    """Without one key's secret: what it encrypted is gone for good."""
    key = require_key(keyring, key_id)
    if not key.opens:
        return Change(keyring)
    keys = tuple(_ended(k, "destroyed", now_ns) if k.id == key_id else k for k in keyring.keys)
    event = KeyEvent("destroyed", key_id, key.purpose, now_ns)
    return Change(replace(keyring, keys=_names_bounded(keys)), (event,))


def reserve(
    keyring: StoredKeyring, purpose: str, policy: Policy, *, master: Master, now_ns: int
) -> tuple[Change, Reserved]:
    """Write some uses down before they happen; with the next key, when this one is due."""
    key = active_key(keyring, purpose)
    events: tuple[KeyEvent, ...] = ()
    if key is None or is_due(key, policy, now_ns):
        change = next_key(keyring, purpose, policy, master=master, now_ns=now_ns)
        keyring, events = change.keyring, change.events
        key = keyring.keys[-1]
    uses = min(policy.reserve_uses, policy.rotate_uses - key.used)
    used = replace(key, used=key.used + uses)
    keys = tuple(used if k.id == key.id else k for k in keyring.keys)
    return Change(replace(keyring, keys=keys), events), Reserved(key.id, uses, ends_ns(key, policy))


def rewrap(keyring: StoredKeyring, *, old: Master, new: Master, now_ns: int) -> Change:
    """All secrets wrapped by another key-encryption key; the keys themselves stay as they are."""
    keys = tuple(
        new.wrap(keyring.id, key, old.unwrap(keyring.id, key)) if key.opens else key for key in keyring.keys
    )
    events = tuple(KeyEvent("rewrapped", key.id, key.purpose, now_ns) for key in keys if key.opens)
    return Change(replace(keyring, keys=keys, master_id=new.id), events)


def require_key(keyring: StoredKeyring, key_id: str) -> StoredKey:
    """The key of this name, in whatever state; KeyUnavailableError when the keyring does not know it."""
    for key in keyring.keys:
        if key.id == key_id:
            return key
    raise KeyUnavailableError("this keyring does not hold it; use the keyring that made it", key_id=key_id)


def _ended(key: StoredKey, state: Literal["dropped", "destroyed"], now_ns: int) -> StoredKey:
    return replace(key, state=state, ended_ns=now_ns, wrapped=b"")


def _names_bounded(keys: tuple[StoredKey, ...]) -> tuple[StoredKey, ...]:
    gone = [key.id for key in keys if not key.opens]
    forgotten = set(gone[:-NAMES_MAX])
    return tuple(key for key in keys if key.id not in forgotten)
