"""Any bytes for decoders, guided by what they cover: ``python -m tests.support.fuzz_wire FOLDER [options]``.

The options are libFuzzer's. The folder holds inputs, and has the name of one of `tests.support.wire_targets`, or
``all``. An input's first byte says how the others come, and for ``all`` its second chooses the decoder.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import atheris  # type: ignore[import-untyped,unused-ignore]  # it has no types

with atheris.instrument_imports(include=["tamis.wire"]):
    from tests.support.wire_targets import TARGETS, Target, make_small

WAYS = (0, 7, 255)


def take_one(target: Target, data: bytes) -> None:
    """One input for one decoder."""
    if data:
        target.check(data[1:], data[0])


def take_any(data: bytes) -> None:
    """One input for one of all decoders."""
    if len(data) > 1:
        take_one(TARGETS[data[1] % len(TARGETS)], data[:1] + data[2:])


def write_seeds(folder: Path, target: Target, *, mark: bytes) -> None:
    """The examples of a decoder, each as it comes in several ways."""
    for place, seed in enumerate(target.seeds):
        for way in WAYS:
            (folder / f"{target.name}-{place}-{way}").write_bytes(bytes((way,)) + mark + seed)


def main() -> None:
    """Run until libFuzzer's options say that it is enough; then the process ends."""
    make_small()
    folder = Path(sys.argv[1])
    take: Callable[[bytes], None] = take_any
    for number, target in enumerate(TARGETS):
        if folder.name == "all":
            write_seeds(folder, target, mark=bytes((number,)))
        elif folder.name == target.name:
            write_seeds(folder, target, mark=b"")
            take = partial(take_one, target)
    atheris.Setup(sys.argv, take)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
