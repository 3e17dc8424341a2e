"""Tests promise something in a sentence, wait for what they need, and use real parts."""

import ast
from collections.abc import Iterator

from tests.tidy.sources import Source, dotted, python_sources, source

MOCKS = {"Mock", "MagicMock", "AsyncMock", "create_autospec"}


def wrong_tests(item: Source) -> Iterator[str]:
    names = item.qualified()
    polling = {
        id(inner)
        for loop in ast.walk(item.tree)
        if isinstance(loop, ast.While | ast.For)
        for inner in ast.walk(loop)
    }
    for node in ast.walk(item.tree):
        place = f"{item.path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("test_") and not (ast.get_docstring(node) or "").endswith(
                (".", "!", "?")
            ):
                yield f"{place}: {node.name} has no sentence that promises something"
        elif isinstance(node, ast.Call):
            head, _, rest = dotted(node.func).partition(".")
            full = names.get(head, head) + (f".{rest}" if rest else "")
            if (
                full in ("time.sleep", "asyncio.sleep")
                and id(node) not in polling
                and not _waits_no_time(node)
            ):
                yield f"{place}: sleeps and hopes; look again and again until a deadline"
            if full.rpartition(".")[2] in MOCKS:
                yield f"{place}: a mock where a real part would show more"


def _waits_no_time(node: ast.Call) -> bool:
    """`sleep(0)` lets others run."""
    return len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0


def test_tests_are_tests() -> None:
    """Each test says what it promises; none sleeps for luck or talks to mocks."""
    tests = (item for item in python_sources() if item.path.parts[0] == "tests")
    assert [wrong for item in tests for wrong in wrong_tests(item)] == []


def test_the_rule_can_fail() -> None:
    """No sentence, sleeping and mocks are seen."""
    path = "tests/unit/test_example.py"
    for text in (
        "def test_x():\n    pass",
        "def test_x():\n    'half a sentence'",
        "import time\ntime.sleep(1)",
        "from time import sleep\nsleep(n)",
        "import asyncio\nasync def f():\n    await asyncio.sleep(0.1)",
        "from unittest.mock import Mock\nMock()",
        "from unittest import mock\nmock.MagicMock()",
    ):
        assert list(wrong_tests(source(text, path))), text
    assert not list(wrong_tests(source("import asyncio\nasync def f():\n    await asyncio.sleep(0)", path)))
    assert not list(wrong_tests(source("import time\nwhile not done():\n    time.sleep(0.01)", path)))
