"""The beginning of a file: whether it can be read, and whether it is text."""

import re
from pathlib import Path

from tamis.wire.compressed import read_file

SAMPLE_BYTES = 1 << 15
NUL_SHARE_MAX = 0.3
"""A text file may have a run of NULs in it (a crash leaves them); more of them than this, and it is binary."""
CONTROL_SHARE_MAX = 0.02
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f]")


def read_sample(path: Path) -> bytes:
    """The first bytes of a file, decompressed; raises OSError and WireError."""
    sample = b""
    for piece in read_file(path):
        sample += piece
        if len(sample) >= SAMPLE_BYTES:
            break
    return sample[:SAMPLE_BYTES]


def looks_binary(sample: bytes) -> bool:
    """Whether the beginning of a file is no text in any encoding that has ASCII in it."""
    nuls = sample.count(0)
    controls = len(_CONTROLS.findall(sample))
    return nuls > NUL_SHARE_MAX * len(sample) or controls > CONTROL_SHARE_MAX * (len(sample) - nuls)
