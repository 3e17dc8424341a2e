"""Files say in one word what is inside."""

from collections.abc import Iterable

from tests.tidy.sources import Source, python_sources, source

BANNED = {"utils", "util", "helpers", "helper", "common", "misc", "core"}
FAMILY_LEAST = 2


def module(item: Source) -> str:
    """Its name when it is imported."""
    parts = item.path.with_suffix("").parts
    return ".".join(parts[1:] if parts[0] == "src" else parts)


def badly_named(items: Iterable[Source]) -> list[str]:
    items = list(items)
    found = []
    for item in items:
        if BANNED.intersection(part.removesuffix(".py") for part in item.path.parts):
            found.append(f"{item.path}: the name says nothing of what is inside")
        if item.path.name == "base.py" and _members(item, items) < FAMILY_LEAST:
            found.append(f"{item.path}: base.py is for families only")
    return found


def _members(base: Source, items: list[Source]) -> int:
    """How many files beside it, or in folders beside it, are made from it."""
    name = module(base)
    beside = [item for item in items if item is not base and item.path.is_relative_to(base.path.parent)]
    return sum(any(value.startswith(f"{name}.") for value in item.qualified().values()) for item in beside)


def test_no_file_or_folder_has_a_name_that_says_nothing() -> None:
    """utils, helpers, common, misc, core are nobody's names, base is a family's."""
    assert badly_named(python_sources()) == []


def test_the_rule_can_fail() -> None:
    """Each kind of bad name is seen, and a family's base is not."""
    for path in (
        "src/tamis/utils.py",
        "src/tamis/core/engine.py",
        "tests/helpers/x.py",
        "src/tamis/query/base.py",
    ):
        assert badly_named([source("", path)]), path
    base = source("", "src/tamis/wire/base.py")
    members = [source("from tamis.wire.base import Decoder", f"src/tamis/wire/{name}.py") for name in "ab"]
    assert badly_named([base, members[0]])
    assert badly_named([base, *members]) == []
