"""Functions, classes and files stay small; what is too large is listed with its size and may only shrink."""

import ast
import tomllib
from collections.abc import Iterator

from tests.tidy.sources import ROOT, Source, python_sources, source

LIMITS = {"function": 50, "class": 200, "file": 600}
EXCEPTIONS = ROOT / "tests/tidy/exceptions.toml"

Sizes = dict[str, dict[str, int]]


def sizes(item: Source) -> Iterator[tuple[str, str, int]]:
    """(kind, name, lines) of the file and of everything defined in it."""
    yield "file", str(item.path), len(item.lines)
    yield from _of_body(item.tree.body, str(item.path))


def _of_body(body: list[ast.stmt], place: str) -> Iterator[tuple[str, str, int]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            name = f"{place}::{node.name}"
            yield kind, name, (node.end_lineno or node.lineno) - node.lineno + 1
            yield from _of_body(node.body, name)


def too_large(items: tuple[Source, ...]) -> Sizes:
    found: Sizes = {kind: {} for kind in LIMITS}
    for item in items:
        for kind, name, lines in sizes(item):
            if lines > LIMITS[kind]:
                found[kind][name] = lines
    return found


def ratchet(found: Sizes, allowed: Sizes) -> list[str]:
    """What grew or is new, and what shrank so that the list must follow."""
    complaints = []
    for kind, limit in LIMITS.items():
        now, before = found[kind], allowed.get(kind, {})
        for name in sorted(now.keys() | before.keys()):
            size, recorded = now.get(name), before.get(name)
            if size is None:
                complaints.append(f"{name} is within {limit} lines now: take it off the list")
            elif recorded is None or size > recorded:
                complaints.append(
                    f"{name} has {size} lines, allowed are {recorded or limit}: make it smaller"
                )
            elif size < recorded:
                complaints.append(f"{name} shrank to {size} lines: write that instead of {recorded}")
    return complaints


def test_nothing_is_larger_than_it_may_be() -> None:
    """Every function, class and file fits its limit or the size recorded for it, exactly."""
    allowed = tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8"))
    assert ratchet(too_large(python_sources()), allowed) == []


def test_the_rule_can_fail() -> None:
    """Too long, grown, shrunk and no longer needed are all seen."""
    long = source("def f():\n" + "    x = 1\n" * 50)
    found = too_large((long,))
    name = f"{long.path}::f"
    assert found["function"] == {name: 51}
    assert ratchet(found, {}) == [f"{name} has 51 lines, allowed are 50: make it smaller"]
    assert ratchet(found, {"function": {name: 51}}) == []
    assert "shrank" in ratchet(found, {"function": {name: 60}})[0]
    assert "take it off" in ratchet(too_large(()), {"function": {name: 51}})[0]
    assert too_large((source("class A:\n" + "    x = 1\n" * 200),))["class"]
    assert too_large((source("x = 1\n" * 601),))["file"]
