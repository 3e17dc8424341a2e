"""Files say in one word what is inside."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from tests.tidy.sources import tracked

BANNED = {"utils", "util", "helpers", "helper", "common", "misc", "core"}
FAMILIES = {
    ("pipeline",),
    ("pipeline", "processors"),
    ("pipeline", "sinks"),
    ("wire",),
    ("store",),
    ("cache",),
    ("disk",),
    ("analysis", "models"),
    ("cli",),
}
"""Folders of src/tamis that are a family: the only ones with a `base.py`."""


def badly_named(paths: Iterable[PurePosixPath]) -> list[str]:
    found = []
    for path in paths:
        parts = [part.removesuffix(".py") for part in path.parts]
        if BANNED.intersection(parts):
            found.append(f"{path}: the name says nothing of what is inside")
        if path.name == "base.py" and path.parts[2:-1] not in FAMILIES:
            found.append(f"{path}: base.py is for families only")
    return found


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    """utils, helpers, common, misc, core are nobody's names, base is a family's."""
    assert badly_named(path for path in tracked() if path.suffix == ".py") == []


def test_the_rule_can_fail() -> None:
    """Each kind of bad name is seen, and a family's base is not."""
    bad = ["src/tamis/utils.py", "src/tamis/core/engine.py", "tests/helpers/x.py", "src/tamis/query/base.py"]
    assert len(badly_named(map(PurePosixPath, bad))) == len(bad)
    assert badly_named([PurePosixPath("src/tamis/store/base.py")]) == []
