"""``tamis repair``: a data folder made whole from what is there and from other copies of it."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from tamis.cli.failure import CommandError, Exit, UsageError
from tamis.cli.options import Flag
from tamis.cli.terminal import print_json, say, visible
from tamis.clock import SYSTEM_CLOCK
from tamis.errors import DamageError, DiskError
from tamis.metadata.database import FILE_NAME
from tamis.settings import Settings, load_settings

API = "/api/v1/repair"
POLL_S = 0.2

if TYPE_CHECKING:
    from tamis.http_client import HttpClient
    from tamis.integrity.sources.base import Source
    from tamis.metadata.mend import MendedDatabase


def repair(
    folder: Path,
    /,
    *,
    mirrors: Annotated[tuple[str, ...], Parameter(name="--from", negative="", show_default=False)] = (),
    accept_loss: Flag = False,
    json: Flag = False,
) -> int:
    """Make a data folder whole: from other copies of it, and from its own files. It can be begun again at any time.

    A server that has the folder open does it itself, and goes on meanwhile. Exits with 1 when something stays lost:
    answers that would have held it say so.

    Parameters
    ----------
    folder
        The data folder.
    mirrors
        Another copy of it: a folder, a .tar file, or the URL of a folder on a web server; may be given several
        times. Those of the setting `store.mirrors` are asked too.
    accept_loss
        Take note of what stays lost: answers no longer warn of it.
    json
        The outcome as JSON.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    made = _by_server(folder, mirrors, accept_loss=accept_loss)
    if made is None:
        made = _by_itself(folder, mirrors, accept_loss=accept_loss)
    if json:
        print_json(made)
    else:
        _print(folder, made)
    return int(Exit.FOUND if made["missing"] else Exit.DONE)


def _by_server(folder: Path, mirrors: tuple[str, ...], *, accept_loss: bool) -> dict[str, Any] | None:
    """What the server that has the folder open says when it is done; None when there is none."""
    from tamis.cli.options import Where
    from tamis.cli.reach import find_server

    client = find_server(Where(data=folder))
    if client is None:
        return None
    body = {"from": [_absolute(place) for place in mirrors], "accept_loss": accept_loss}
    with closing(client):
        headers = {"Content-Type": "application/json"}
        client.request("POST", API, body=msgspec.json.encode(body), headers=headers)
        return _outcome(client)


def _outcome(client: "HttpClient") -> dict[str, Any]:
    """What a repair did that a server is at, once it is done."""
    while True:
        answer: dict[str, Any] = client.request("GET", API).json()
        if answer["state"] == "failed":
            raise CommandError(str(answer["error"]).rstrip("."))
        if answer["state"] != "running":
            outcome: dict[str, Any] = answer["outcome"]
            return outcome
        SYSTEM_CLOCK.sleep(POLL_S)


def _absolute(place: str) -> str:
    """The server may stand in another folder than this command."""
    return place if "://" in place else str(Path(place).expanduser().resolve())


def _by_itself(folder: Path, mirrors: tuple[str, ...], *, accept_loss: bool) -> dict[str, Any]:
    from tamis.store.embedded.repair.folder import repair_folder
    from tamis.store.open import store_options

    settings = load_settings()
    sources = _sources(folder, (*mirrors, *settings.store.mirrors), settings)
    try:
        metadata = _mend_metadata(folder, sources)
        made = repair_folder(folder, sources, options=store_options(settings), accept_losses=accept_loss)
    finally:
        for source in sources:
            source.close()
    found: dict[str, Any] = msgspec.to_builtins(made)
    if metadata is not None:
        one = {"path": FILE_NAME, "records": None}
        if metadata.is_all:
            found["mended"] = ({**one, "how": metadata.how}, *found["mended"])
        else:
            found["missing"] = ({**one, "problem": f"{FILE_NAME}: {metadata.how}"}, *found["missing"])
    return found


def _mend_metadata(folder: Path, sources: "list[Source]") -> "MendedDatabase | None":
    from tamis.disk.lock import lock_folder
    from tamis.disk.real import RealDisk
    from tamis.metadata.mend import mend_database

    with lock_folder(folder.resolve(), "tamis repair"):
        return mend_database(RealDisk(), folder, sources)


def _sources(folder: Path, places: tuple[str, ...], settings: Settings) -> "list[Source]":
    from tamis.backup.source import sources_from
    from tamis.disk.real import RealDisk

    return sources_from(places, settings, RealDisk(), store_id=_store_id(folder))


def _store_id(folder: Path) -> str | None:
    """Whose folder it is; None when its manifest does not say any more."""
    from tamis.disk.real import RealDisk
    from tamis.store.embedded.format.layout import Layout
    from tamis.store.embedded.format.manifest_file import read_manifest

    try:
        return read_manifest(RealDisk(), Layout(folder.resolve())).manifest.store_id
    except (DamageError, DiskError):
        return None


def _print(folder: Path, made: dict[str, Any]) -> None:
    for note in (*made["notes"], *made["problems"]):
        say(f"note     {note}")
    for one in made["mended"]:
        print(visible(f"mended   {one['path']}: {one['how']}"))
    for one in made["accepted"]:
        print(visible(f"accepted {one['problem']}"))
    for one in made["missing"]:
        print(visible(f"lost     {one['problem']}"))
    for path in made["quarantined"]:
        print(visible(f"set apart {path}"))
    state = f"{len(made['missing']):,} things stay lost" if made["missing"] else "whole"
    print(f"{folder}: {len(made['mended']):,} things mended; {state}")
