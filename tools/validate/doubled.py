"""Lines of code that stand in more than one place, by windows of six normalised lines."""

import ast
import io
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator

WINDOW = 6
CLONES_SHOWN = 20
LEFT_OUT = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)

Line = tuple[int, str]
"""Where it stands, and its tokens."""
Place = tuple[str, int, int]
"""A file, and the first and last line of something in it."""


def code_lines(text: str) -> list[Line]:
    """The lines that do something: without comments, docstrings, imports, `__all__`, blanks and brackets alone; their
    tokens one blank apart, so that layout does not count."""
    silent = _silent(ast.parse(text))
    found: defaultdict[int, list[str]] = defaultdict(list)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LEFT_OUT and token.start[0] not in silent:
            found[token.start[0]].append(token.string)
    return [(number, " ".join(words)) for number, words in sorted(found.items()) if any(map(_says, words))]


def _says(word: str) -> bool:
    return word not in "()[]{},:"


def _silent(tree: ast.Module) -> set[int]:
    numbers: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node) or _is_all(node):
            assert isinstance(node, ast.stmt)
            numbers.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return numbers


def _is_text(node: ast.AST) -> bool:
    is_constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_constant and isinstance(node.value.value, str)  # type: ignore[attr-defined]  # it is an Expr


def _is_all(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(getattr(one, "id", "") == "__all__" for one in node.targets)


def doubled(files: Iterable[tuple[str, str]]) -> tuple[int, int, list[str]]:
    """Lines of code, how many of them stand in a window that occurs again, and the longest such runs."""
    lines = {path: code_lines(text) for path, text in files}
    windows: defaultdict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for path, found in lines.items():
        for at in range(len(found) - WINDOW + 1):
            windows[tuple(text for _, text in found[at : at + WINDOW])].append((path, at))
    hit: defaultdict[str, set[int]] = defaultdict(set)
    for places in windows.values():
        if len(places) > 1:
            for path, at in places:
                hit[path].update(range(at, at + WINDOW))
    runs = sorted((run for path, numbers in hit.items() for run in _runs(path, sorted(numbers), lines[path])),
                  key=lambda run: (run[1] - run[2], run[0]))  # fmt: skip
    shown = [f"{path}:{first}-{last}" for path, first, last in runs[:CLONES_SHOWN]]
    return sum(map(len, lines.values())), sum(map(len, hit.values())), shown


def _runs(path: str, numbers: list[int], lines: list[Line]) -> Iterator[Place]:
    """Indices that follow each other, as the lines they stand in."""
    begin = 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[at - 1] + 1:
            yield path, lines[numbers[begin]][0], lines[numbers[at - 1]][0]
            begin = at
