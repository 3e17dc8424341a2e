"""Which records of other stores were brought back here, so that each comes once however often it is asked for."""

from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tamis.disk.base import Disk
from tamis.errors import DamageError

FILE_NAME: Final = "restored.json"
Runs = list[tuple[int, int]]


class _File(msgspec.Struct, frozen=True):
    """`runs`: for each store runs of its sequences, first and last."""

    runs: dict[str, Runs] = {}


class RestoredLog:
    """Runs of sequences by the store that gave them, in a file of the data folder. For one thread."""

    def __init__(self, disk: Disk, data: Path) -> None:
        self._disk, self._path = disk, data / FILE_NAME
        self._runs = self._read()

    def contains(self, store_id: str, seqs: Any) -> Any:
        """Which of these sequences were brought back, as a mask."""
        runs = self._runs.get(store_id, [])
        if not runs:
            return np.zeros(len(seqs), np.bool_)
        firsts = np.array([first for first, _ in runs])
        lasts = np.array([last for _, last in runs])
        at = np.searchsorted(firsts, seqs, side="right") - 1
        return (at >= 0) & (seqs <= lasts[np.maximum(at, 0)])

    def add(self, store_id: str, seqs: Any) -> None:
        """These are here now; safe on return."""
        self._runs[store_id] = joined([*self._runs.get(store_id, []), *runs_of(seqs)])
        self._disk.write_whole(self._path, [msgspec.json.encode(_File(self._runs))])

    def _read(self) -> dict[str, Runs]:
        if not self._disk.exists(self._path):
            return {}
        try:
            return dict(msgspec.json.decode(self._disk.read(self._path), type=_File).runs)
        except msgspec.MsgspecError as error:
            raise DamageError(
                str(self._path),
                f"cannot be read ({error}); without it records might come back twice: remove it if so be it",
            ) from error


def runs_of(seqs: Any) -> Runs:
    """Sequences in ascending order as runs."""
    if not len(seqs):
        return []
    breaks = np.flatnonzero(np.diff(seqs) > 1)
    firsts = [int(seqs[0]), *(int(seqs[place + 1]) for place in breaks)]
    lasts = [*(int(seqs[place]) for place in breaks), int(seqs[-1])]
    return list(zip(firsts, lasts, strict=True))


def joined(runs: Runs) -> Runs:
    """Runs in order, those that touch put together."""
    result: Runs = []
    for first, last in sorted(runs):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return result
