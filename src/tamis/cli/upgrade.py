"""``tamis upgrade``: a data folder in the newest format."""

import sys
from pathlib import Path

import msgspec

from tamis.cli.failure import UsageError
from tamis.cli.options import Flag
from tamis.cli.terminal import print_json


def upgrade(folder: Path, /, *, json: Flag = False) -> None:
    """Rewrite a data folder in the newest format. Can be stopped at any moment and started again.

    Parameters
    ----------
    folder
        The data folder; no server may be running on it.
    json
        The outcome as JSON.
    """
    from tamis.store.embedded.recovery.upgrade import upgrade as rewrite

    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    made = rewrite(folder, progress=_show)
    if json:
        print_json(msgspec.to_builtins(made))
    elif made.before == made.after:
        print(f"{folder}: in the newest format already ({made.after})")
    else:
        print(f"{folder}: from format {made.before} to {made.after}, {made.segments:,} segments written anew")


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty() and total:
        print(
            f"\r{done:,} of {total:,} segments",
            end="\n" if done == total else "",
            file=sys.stderr,
            flush=True,
        )
