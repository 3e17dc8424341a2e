"""Repairing a data folder that no server has open."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.disk.lock import lock_folder
from tamis.disk.real import RealDisk
from tamis.errors import FormatError
from tamis.integrity.sources.base import Source
from tamis.store.embedded.format.layout import Layout
from tamis.store.embedded.format.manifest_file import manifest_exists, refuse_unfinished
from tamis.store.embedded.options import DEFAULT_OPTIONS, StoreOptions
from tamis.store.embedded.repair.remake import needs_manifest, remake_manifest
from tamis.store.embedded.repair.report import Mended, Repaired
from tamis.store.embedded.store import open_store

PURPOSE = "tamis repair"


def repair_folder(
    folder: Path,
    sources: Sequence[Source] = (),
    *,
    options: StoreOptions = DEFAULT_OPTIONS,
    accept_losses: bool = False,
    disk: Disk | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Repaired:
    """Repair a store from other copies of its folder and from what is there itself; also one without a manifest.

    Raises LockedError when a process has the folder (another repair, a server: ask that one), NoSpaceError, and
    FormatError when it holds no store. Can be killed at any moment and begun again.
    """
    disk = disk or RealDisk()
    layout = Layout(folder.resolve())
    problems: list[str] = []
    refuse_unfinished(disk, layout)
    remade = _remade(disk, layout, sources, clock=clock, problems=problems)
    store = open_store(folder, replace(options, background=False), disk=disk, clock=clock, create=False)
    try:
        made = store.repair(sources, accept_losses=accept_losses)
        notes = store.parts.notes
    finally:
        store.close()
    mended = () if remade is None else (Mended("manifest.json", remade),)
    return replace(
        made,
        mended=(*mended, *made.mended),
        notes=tuple(notes),
        problems=tuple(dict.fromkeys((*problems, *made.problems))),
    )


def _remade(
    disk: Disk, layout: Layout, sources: Sequence[Source], *, clock: Clock, problems: list[str]
) -> str | None:
    """A manifest where none is whole; None when there is one."""
    has_files = any(disk.exists(path) and disk.names(path) for path in (layout.segments, layout.journals))
    if not manifest_exists(disk, layout) and not has_files:
        raise FormatError(f"{layout.folder} holds no store; check the path")
    if needs_manifest(disk, layout) is None:
        return None
    with lock_folder(layout.folder, PURPOSE):
        if needs_manifest(disk, layout) is None:
            return None
        return remake_manifest(disk, layout, sources, clock=clock, problems=problems)
