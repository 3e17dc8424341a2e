"""What of a pack was found damaged, remembered beside it, so that no later backup counts on it."""

from typing import Final

import msgspec

from tamis.backup.pack import LIST_BYTES_MAX
from tamis.backup.sealing import Kind, Secrets, open_object, seal_object
from tamis.backup.target import AbsentObjectError, Target
from tamis.errors import DamageError

Damage = frozenset[bytes] | None
"""Names of chunks; None is all of them."""
_FOLDER: Final = "damaged"
_decoder = msgspec.msgpack.Decoder(frozenset[bytes])


def note_damage(target: Target, secrets: Secrets, pack: str, names: frozenset[bytes]) -> None:
    """These chunks of a pack cannot be had from it; safe on return."""
    raw = msgspec.msgpack.encode(sorted(names))
    target.put(damage_object(pack), [seal_object(secrets, Kind.INDEX, raw, _called(pack))])


def read_damage(target: Target, secrets: Secrets) -> dict[str, Damage]:
    """What was noted, by pack. Of a pack whose note cannot be read nothing counts as there."""
    found: dict[str, Damage] = {}
    for one in list(target.list(_FOLDER)):
        pack = one.name.partition("/")[2]
        try:
            data = target.get(one.name)
            raw = open_object(secrets, Kind.INDEX, data, _called(pack), bytes_max=LIST_BYTES_MAX)
            found[pack] = _decoder.decode(raw)
        except AbsentObjectError:
            continue
        except (DamageError, msgspec.MsgspecError):
            found[pack] = None
    return found


def damage_object(pack: str) -> str:
    """Where it is noted."""
    return f"{_FOLDER}/{pack}"


def _called(pack: str) -> bytes:
    return f"damaged {pack}".encode()
