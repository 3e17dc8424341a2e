"""``tamis keys``: the keys that encrypt fields and stored data."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from cyclopts import App

from tamis.cli.failure import Exit
from tamis.cli.options import Flag
from tamis.cli.show.tables import print_table
from tamis.cli.terminal import print_json, say
from tamis.errors import KeysError, KeyUnavailableError, StoreError
from tamis.query.times import print_instant
from tamis.settings import Settings, load_settings

if TYPE_CHECKING:
    from tamis.keys import Keyring

keys = App(name="keys", help="Show, rotate and check keys.", help_format="plaintext", version_flags=[])


@keys.command(name="list")
def show(*, config: Path | None = None, json: Flag = False) -> None:
    """Show every key: its purpose, its state, how much it was used. Never a secret.

    Parameters
    ----------
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        As JSON.
    """
    facts = open_for_reading(load_settings(toml_path=config)).facts()
    if json:
        print_json({"keys": msgspec.to_builtins(facts)})
        return
    rows = [
        (
            fact.id,
            fact.purpose,
            fact.state,
            print_instant(fact.created_ns),
            f"{fact.used:,} of {fact.uses_max:,}",
        )
        for fact in facts
    ]
    print_table(("key", "purpose", "state", "made", "used"), rows, bars=False)


@keys.command
def rotate(*purpose: str, config: Path | None = None, json: Flag = False) -> None:
    """Begin with new keys now. What the old ones encrypted stays readable, as long as they are kept.

    Parameters
    ----------
    purpose
        Which keys: fields, segments…; fields by default.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        The ids of the new keys as JSON.
    """
    keyring = open_for_reading(load_settings(toml_path=config))
    made = {name: keyring.rotate(name) for name in dict.fromkeys(purpose or ("fields",))}
    if json:
        print_json({"rotated": made})
        return
    for name, key_id in made.items():
        print(f"{name}: {key_id}")


@keys.command
def check(*, config: Path | None = None, json: Flag = False) -> int:
    """Look whether every key that should open does: provider, key-encryption key, keyring.

    Exits with 1 when anything is wrong.

    Parameters
    ----------
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        As JSON.
    """
    settings = load_settings(toml_path=config)
    count, wrong = _look(settings)
    if json:
        print_json({"whole": not wrong, "keys": count, "problems": wrong})
    else:
        for problem in wrong:
            print(f"wrong  {problem}")
        if not wrong:
            print(f"{settings.keys.keyring}: {count:,} keys open")
    return int(Exit.FOUND if wrong else Exit.DONE)


def _look(settings: Settings) -> tuple[int, list[str]]:
    """How many keys open, and what is wrong."""
    try:
        keyring = open_for_reading(settings)
        wrong = keyring.check()
        facts = keyring.facts() if not wrong else []
    except (KeysError, StoreError) as error:
        return 0, [str(error)]
    return sum(fact.state in ("active", "retired") for fact in facts), wrong


def open_for_reading(settings: Settings) -> "Keyring":
    """The keyring of the settings; none is made here, because a new one opens nothing."""
    from tamis.disk.real import RealDisk
    from tamis.keys import has_keyring, keyring_from

    disk = RealDisk()
    if not has_keyring(disk, settings.keys.keyring):
        raise KeyUnavailableError(
            f"{settings.keys.keyring} holds no keyring; name another with keys.keyring, or encrypt something first"
        )
    return keyring_from(settings.keys, disk, on_event=lambda event: say(f"{event.action} {event.key_id}"))
