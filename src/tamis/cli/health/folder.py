"""Checks of the data folder: rights, room, port and server, and whether the store is whole."""

import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from tamis.cli.health.base import Finding, Patient
from tamis.errors import TamisError
from tamis.http_client import HttpClient
from tamis.http_client.address import parse_address
from tamis.server.local import read_local

SHOWN_MAX = 10
"""So many damaged things are listed."""
ASK_TIMEOUT_S = 3.0


def check_settings(patient: Patient) -> Iterator[Finding]:
    """Names in the environment that look like settings are settings."""
    for warning in patient.settings.warnings:
        yield Finding("settings", "warn", warning, "correct or remove it")
    changed = len(patient.settings.sources)
    yield Finding("settings", "ok", f"{changed} differ from their defaults; `tamis check-config` shows all")


def check_rights(patient: Patient) -> Iterator[Finding]:
    """The folder, or the nearest one that there is, can be written, and only by its owner."""
    folder = patient.folder
    if not folder.exists():
        parent = _nearest(folder)
        if os.access(parent, os.W_OK | os.X_OK):
            yield Finding("data folder", "ok", f"{folder}: will be made at the first start")
        else:
            yield Finding(
                "data folder", "bad", f"{folder}: {parent} cannot be written", "choose another with --data"
            )
    elif not folder.is_dir():
        yield Finding("data folder", "bad", f"{folder}: is no folder", "choose another with --data")
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data folder", "bad", f"{folder}: cannot be read and written", "run as its owner")
    elif stat.S_IMODE(folder.stat().st_mode) & 0o007:
        yield Finding("data folder", "warn", f"{folder}: other users can enter it", f"chmod 700 {folder}")
    else:
        yield Finding("data folder", "ok", str(folder))


def check_room(patient: Patient) -> Iterator[Finding]:
    """The disk has more free than the reserve that ingest keeps."""
    free = shutil.disk_usage(_nearest(patient.folder)).free
    reserve = patient.settings.store.disk_reserve_bytes
    shown = f"{free / (1 << 20):,.0f} MiB free, {reserve / (1 << 20):,.0f} MiB kept in reserve"
    if free <= reserve:
        yield Finding("disk", "bad", shown, "free some space: nothing is taken in now")
    elif free < 4 * reserve:
        yield Finding("disk", "warn", shown, "free some space, or set store.disk_bytes_max")
    else:
        yield Finding("disk", "ok", shown)


def check_port(patient: Patient) -> Iterator[Finding]:
    """The port is free, or a server of ours has it."""
    running = read_local(patient.folder)
    if running is not None:
        yield from _ask(running.url, running.token)
        return
    host, port = patient.settings.server.host, patient.settings.server.port
    try:
        with socket.create_server((host, port)):
            yield Finding("port", "ok", f"{host}:{port} is free")
    except OSError as error:
        advice = "stop what has it, or choose another with --port"
        yield Finding("port", "bad", f"{host}:{port}: {error.strerror}", advice)


_OF_A_STORE = ("manifest.json", "manifest.copy.json", "segments")


def check_store(patient: Patient) -> Iterator[Finding]:
    """Manifest, segments and journal are there in full size; `tamis verify` reads every byte."""
    from tamis.store.embedded.recovery.verify import verify

    if not any((patient.folder / name).exists() for name in _OF_A_STORE):
        yield Finding("store", "ok", "none yet")
        return
    try:
        report = verify(patient.folder, full=False)
    except TamisError as error:
        yield Finding("store", "bad", str(error), "`tamis verify` says more")
        return
    for note in report.notes:
        yield Finding("store", "ok", note)
    for one in report.findings[:SHOWN_MAX]:
        yield Finding("store", "bad", one.sentence, "`tamis repair` mends what it can; the rest can be read")
    if report.is_whole:
        held = f"{report.segments:,} segments, {report.records:,} records in them"
        yield Finding("store", "ok", f"{held}; {report.journal_records:,} in the journal")


def _ask(url: str, token: str) -> Iterator[Finding]:
    client = HttpClient(parse_address(url), token, timeout_s=ASK_TIMEOUT_S, retry_for_s=0)
    try:
        answer = client.request("GET", "/readyz").json()
    except TamisError as error:
        yield Finding("server", "bad", str(error), "look at its log; start it again")
        return
    finally:
        client.close()
    state = str(answer.get("status", answer.get("state", "ready"))) if isinstance(answer, dict) else "ready"
    good = state in ("ready", "ok")
    yield Finding("server", "ok" if good else "warn", f"{url}: {state}", "" if good else "`/readyz` says why")


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next((one for one in (folder, *folder.absolute().parents) if one.exists()), Path("/"))
