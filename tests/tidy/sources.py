"""The project's own files, as the rules of this folder look at them."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Source:
    """A Python file: where it stands in the project, and its text."""

    path: PurePosixPath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def layer(self) -> str:
        """The folder of src/tamis it belongs to; empty outside."""
        parts = self.path.parts
        return parts[2].removesuffix(".py") if parts[:2] == ("src", "tamis") and len(parts) > 2 else ""

    def qualified(self) -> dict[str, str]:
        """What each imported name stands for: `now` -> `time.time_ns`."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names.update(
                    {
                        (a.asname or a.name.split(".")[0]): (a.name if a.asname else a.name.split(".")[0])
                        for a in node.names
                    }
                )
            elif isinstance(node, ast.ImportFrom):
                names.update({(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names})
        return names


def source(text: str, path: str = "src/tamis/store/example.py") -> Source:
    """A file that exists only in a test, to show that a rule can fail."""
    return Source(PurePosixPath(path), text)


@cache
def tracked() -> tuple[PurePosixPath, ...]:
    """Every file that git holds and that is still there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout
    return tuple(PurePosixPath(name) for name in listed.split("\0") if name and (ROOT / name).is_file())


@cache
def python_sources() -> tuple[Source, ...]:
    """Every tracked Python file."""
    return tuple(
        Source(path, (ROOT / path).read_text(encoding="utf-8")) for path in tracked() if path.suffix == ".py"
    )


def inside() -> Iterator[Source]:
    """The Python files of src/tamis."""
    return (item for item in python_sources() if item.path.parts[:2] == ("src", "tamis"))


def dotted(node: ast.expr) -> str:
    """`a.b.c` of an expression of names and attributes; empty for others."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        value = dotted(node.value)
        return f"{value}.{node.attr}" if value else ""
    return ""
