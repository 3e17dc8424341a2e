"""The house: layers, the package root, and what an import costs."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT, Source, inside, source

SUBMODULES = {path.stem for path in (ROOT / "src/tamis").iterdir() if not path.name.startswith("_")}
ALLOWED = {"tamis", "msgspec", "typing_extensions"}
"""msgspec looks for typing_extensions and does without."""
LIGHT = (
    "errors",
    "clock",
    "settings",
    "record",
    "disk",
    "query",
    "wire",
    "http_client",
    "keys",
    "integrity",
    "resilience",
    "pipeline",
    "embed",
    "testing",
)

IN_APPLICATIONS = (
    "clock",
    "record",
    "disk",
    "keys",
    "resilience",
    "http_client",
    "pipeline",
    "embed",
    "testing",
)


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    script = str(Path(sys.executable).parent / "lint-imports")
    command = [script, "--config", ".importlinter", "--contract", "layers", "--no-cache"]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    """A package tamis with empty layers, under our own contract."""
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for layer in ("server", "store", "record", "disk", "clock", "errors", "version"):
        folder = tmp_path / "tamis" / layer
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text('"""Empty."""\n', encoding="utf-8")
    (tmp_path / "tamis/__init__.py").write_text('"""Small."""\n', encoding="utf-8")
    return tmp_path


def test_the_contract_keeps_a_house_in_order(small_house: Path) -> None:
    """Downward imports are fine."""
    (small_house / "tamis/server/app.py").write_text("import tamis.store\n", encoding="utf-8")
    result = lint_imports(small_house)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("store/open.py", "import tamis.server\n"),
        ("record/model.py", "def f():\n    from tamis import store\n"),
        ("clock/zone.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tamis.store\n"),
        ("disk/real.py", "import tamis.record\n"),
        ("errors/tree.py", "from tamis.clock import x\n"),
        ("misc.py", ""),
    ],
)
def test_the_contract_can_fail(small_house: Path, module: str, text: str) -> None:
    """Upward, sideways, inside a function, for types, and a module that no layer lists: all break it."""
    (small_house / "tamis" / module).write_text(text, encoding="utf-8")
    result = lint_imports(small_house)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout + result.stderr


def root_imports(item: Source) -> Iterator[str]:
    for node in ast.walk(item.tree):
        place = f"{item.path}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Import):
            if any(alias.name == "tamis" for alias in node.names):
                yield f"{place}: imports the package root"
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield f"{place}: relative import; write the whole name"
            elif node.module == "tamis" and any(alias.name not in SUBMODULES for alias in node.names):
                yield f"{place}: takes a name from the package root"


def test_nothing_inside_imports_the_package_root() -> None:
    """The root gathers names for users; inside, each module says where a name really lives."""
    assert [wrong for item in inside() for wrong in root_imports(item)] == []


def test_the_root_rule_can_fail() -> None:
    """Both forms are seen; a submodule is fine."""
    assert list(root_imports(source("import tamis\n")))
    assert list(root_imports(source("def f():\n    from tamis import configure\n")))
    assert list(root_imports(source("from ..errors import TamisError\n")))
    assert not list(root_imports(source("from tamis import errors\nimport tamis.errors\n")))


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a statement loads in a fresh interpreter, beyond the standard library."""
    code = (
        f"import sys; before = set(sys.modules); {statement}; "
        "print(*{m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return {name for name in done.stdout.split() if not name.startswith("_")}


def test_importing_tamis_loads_the_standard_library_and_msgspec_alone() -> None:
    """An application that only wants to log pays for nothing else."""
    assert loaded_by("import tamis") <= ALLOWED


@pytest.mark.parametrize("part", [name for name in LIGHT if name in SUBMODULES])
def test_light_parts_stay_light(part: str) -> None:
    """What an application needs never loads a server's libraries."""
    assert loaded_by(f"import tamis.{part}") <= ALLOWED


def test_every_module_that_applications_load_stays_light() -> None:
    """Not only the packages' roots: other libraries come when they are used."""
    folder = ROOT / "src"
    modules = sorted(
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        for part in IN_APPLICATIONS
        for path in (folder / "tamis" / part).rglob("*.py")
    )
    assert len(modules) > 50
    assert loaded_by(f"import {', '.join(modules)}") <= ALLOWED


def test_the_cost_rule_can_fail() -> None:
    """A heavy import is seen."""
    assert "numpy" in loaded_by("import numpy")


def test_the_picture_in_the_architecture_is_the_contract() -> None:
    """ARCHITECTURE.md draws the same layers that import-linter holds."""
    contract = ConfigParser()
    contract.read(ROOT / ".importlinter", encoding="utf-8")
    lines = contract["importlinter:contract:layers"]["layers"].split("\n")
    layers = [" · ".join(name.strip("() ") for name in line.split("|")) for line in lines if line.strip()]
    picture = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    drawn = [line.split("   ")[0].strip() for line in picture.splitlines()]
    positions = [drawn.index(layer) for layer in layers]
    assert positions == sorted(positions)
