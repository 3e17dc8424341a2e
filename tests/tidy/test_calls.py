"""Files through `disk`, time through `clock`, words to people through `cli`, and pickle nowhere."""

import ast
from collections.abc import Iterator

from tests.tidy.sources import Source, dotted, inside, source

DOORS = {
    "os.rename": "disk",
    "os.renames": "disk",
    "os.replace": "disk",
    "os.fsync": "disk",
    "os.fdatasync": "disk",
    "os.truncate": "disk",
    "os.ftruncate": "disk",
    "fcntl.flock": "disk",
    "fcntl.lockf": "disk",
    "shutil.move": "disk",
    "time.time": "clock",
    "time.time_ns": "clock",
    "datetime.datetime.now": "clock",
    "datetime.datetime.utcnow": "clock",
    "datetime.datetime.today": "clock",
    "datetime.date.today": "clock",
    "print": "cli",
}
"""A call, and the only layer that may make it."""

OUTSIDE = {
    "src/tamis/cli/export.py": "a file of the user's, wherever they want it",
    "src/tamis/cli/first_run/": "a folder that goes away with the run",
    "src/tamis/cli/demo/": "a folder that goes away with the run",
}
"""Files that do not belong to a store, with the reason why they may be written without its door."""

WRITING_METHODS = {"write_text", "write_bytes", "rename"}
BANNED_MODULES = {"pickle", "cPickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}


def outside(item: Source) -> bool:
    """Whether it writes files of its own, outside any store."""
    return str(item.path).startswith(tuple(OUTSIDE))


def wrong_calls(item: Source) -> Iterator[str]:
    names = item.qualified()
    for node in ast.walk(item.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            head, _, rest = dotted(node).partition(".")
            full = names.get(head, head) + (f".{rest}" if rest else "")
            door = DOORS.get(full)
            if door and door != item.layer and not (door == "disk" and outside(item)):
                yield f"{item.path}:{node.lineno}: {full} is for tamis.{door} alone"
        if isinstance(node, ast.Call) and item.layer != "disk" and not outside(item):
            yield from _writing(item, node)


def _writing(item: Source, node: ast.Call) -> Iterator[str]:
    place = f"{item.path}:{node.lineno}"
    if isinstance(node.func, ast.Attribute) and node.func.attr in WRITING_METHODS:
        yield f"{place}: .{node.func.attr}() is for tamis.disk alone"
    if dotted(node.func) == "open":
        modes = node.args[1:2]
    elif isinstance(node.func, ast.Attribute) and node.func.attr == "open":
        modes = node.args[:1]
    else:
        return
    modes = [*modes, *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
    if any(isinstance(mode, ast.Constant) and _writes(mode.value) for mode in modes):
        yield f"{place}: opening for writing is for tamis.disk alone"


def _writes(mode: object) -> bool:
    return (
        isinstance(mode, str)
        and len(mode) <= 3
        and set(mode) <= set("rwaxbt+")
        and bool(set(mode) & set("wax+"))
    )


def banned_imports(item: Source) -> Iterator[str]:
    for node in ast.walk(item.tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            continue
        for module in modules:
            if module.split(".")[0] in BANNED_MODULES:
                yield f"{item.path}:{node.lineno}: {module} runs what it reads"


def wide_excepts(item: Source) -> Iterator[str]:
    for node in ast.walk(item.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            yield f"{item.path}:{node.lineno}: bare except"
        elif _is_wide(node.type) and not _passes_on(node) and not _explained(item, node):
            yield f"{item.path}:{node.lineno}: except Exception without its reason"


def _is_wide(node: ast.expr) -> bool:
    kinds = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(dotted(kind) in ("Exception", "BaseException") for kind in kinds)


def _passes_on(node: ast.ExceptHandler) -> bool:
    """It cleans up and raises the same error again."""
    last = node.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _explained(item: Source, node: ast.ExceptHandler) -> bool:
    line, following = item.lines[node.lineno - 1], item.lines[node.lineno].strip()
    comment = line.partition("#")[2].strip()
    is_only_a_code = comment.startswith("noqa") and len(comment.split()) <= 2
    return (bool(comment) and not is_only_a_code) or following.startswith("#")


def test_calls_go_through_their_doors() -> None:
    """Crash, damage and time-out tests are deterministic because there is one door for each."""
    assert [wrong for item in inside() for wrong in wrong_calls(item)] == []


def test_nothing_that_runs_what_it_reads_is_imported() -> None:
    """No pickle, in any of its forms."""
    assert [wrong for item in inside() for wrong in banned_imports(item)] == []


def test_wide_excepts_say_why() -> None:
    """`except Exception` stands at edges only, each with its reason."""
    assert [wrong for item in inside() for wrong in wide_excepts(item)] == []


def test_the_call_rule_can_fail() -> None:
    """Aliases, from-imports, methods and modes are seen; a layer may do what is its own."""
    bad = [
        "import os\nos.replace(a, b)",
        "import os as o\no.fsync(1)",
        "from os import rename as r\nr(a, b)",
        "from time import time_ns\ntime_ns()",
        "from datetime import datetime\ndatetime.now()",
        "import datetime as dt\nclock = dt.datetime.utcnow",
        "print('x')",
        "open('x', 'wb')",
        "path.open(mode='a')",
        "path.open('r+')",
        "path.write_text('x')",
    ]
    for text in bad:
        assert list(wrong_calls(source(text))), text
    assert list(wrong_calls(source("open('wax')\npath.open('rb')\nopen('x')"))) == []
    assert list(wrong_calls(source("import time\ntime.time()", "src/tamis/cli/export.py")))
    assert list(wrong_calls(source("open('x', 'w')", "src/tamis/cli/export.py"))) == []
    assert list(wrong_calls(source("print('x')", "src/tamis/cli/search.py"))) == []
    assert list(wrong_calls(source("import os\nos.replace(a, b)", "src/tamis/disk/real.py"))) == []


def test_the_import_rule_can_fail() -> None:
    """Both forms of import are seen."""
    assert list(banned_imports(source("import pickle")))
    assert list(banned_imports(source("def f():\n    from pickle import loads")))


def test_the_except_rule_can_fail() -> None:
    """A bare except, a wide one, one in a tuple and one with only a code are seen; a reason is enough."""
    for line in (
        "except:",
        "except Exception:",
        "except (ValueError, Exception):",
        "except Exception:  # noqa: BLE001",
    ):
        assert list(wide_excepts(source(f"try:\n    pass\n{line}\n    pass\n"))), line
    assert not list(wide_excepts(source("try:\n    pass\nexcept BaseException:\n    close()\n    raise\n")))
    assert not list(wide_excepts(source("try:\n    pass\nexcept Exception:  # a route's edge\n    pass\n")))
    assert not list(
        wide_excepts(source("try:\n    pass\nexcept Exception:\n    # a route's edge\n    pass\n"))
    )
