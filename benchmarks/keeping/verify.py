"""Every byte of files compared with their manifest, beside `sha256sum` of the same files; both from memory, in turns,
the better of each.
"""

import random
import subprocess
import time
from pathlib import Path

from benchmarks.report import Goal
from tamis.integrity.publish import Edition, publish
from tamis.integrity.storage import StorageManager

LARGE_BYTES, LARGE, SMALL_BYTES, SMALL = 64 << 20, 3, 200_000, 200
ROUNDS = 4
RATIO_MAX = 1.3


def measure(work: Path) -> list[Goal]:
    """Seconds for all files beside those of sha256sum."""
    folder = work / "verify"
    paths = _fill(folder)
    total = sum(path.stat().st_size for path in paths)
    publish(folder, Edition(name="bench"))
    ours, theirs = [], []
    with StorageManager(folder) as manager:
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            subprocess.run(["sha256sum", "--", *paths], check=True, stdout=subprocess.DEVNULL)
            theirs.append(time.perf_counter() - begin)
            begin = time.perf_counter()
            assert manager.verify(full=True).is_whole
            ours.append(time.perf_counter() - begin)
    ratio = min(ours) / min(theirs)
    what = f"full verify of {len(paths)} files, {total / 1e6:,.0f} MB, beside `sha256sum`"
    return [
        Goal(what, f"{min(ours):.2f} s ({total / min(ours) / 1e6:,.0f} MB/s)", f"{min(theirs):.2f} s", ratio,
             f"≤ {RATIO_MAX}", ratio <= RATIO_MAX)
    ]  # fmt: skip


def _fill(folder: Path) -> list[Path]:
    rng = random.Random(1)
    (folder / "small").mkdir(parents=True)
    sizes = {f"large-{number}": LARGE_BYTES for number in range(LARGE)}
    sizes |= {f"small/{number:03}": SMALL_BYTES for number in range(SMALL)}
    for name, size in sizes.items():
        (folder / name).write_bytes(rng.randbytes(size))
    return [folder / name for name in sizes]
