"""Which shapes a regular expression may find a message of: the expression, rewritten to be asked of shapes.

A message that the expression is found in has a shape that the rewritten expression is found in; the converse need
not hold. The expression is cut into runs that match token characters only, separators that match none, and gaps
(everything else). All text of a run lies within one token, so in the shape it stands as it is, or the token is
masked:

* a run between separators that matches no digit is a token without digits: as it is;
* a run that must match a digit lies in a masked token: the mask;
* any other run: as it is, or the mask.

Two runs on both sides of a gap may lie in one masked token. Anything that is not understood is a gap.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

MASK_SOURCE = "<\\*>"
_ANYTHING = "(?s:.*)"
_ATOM = re.compile(
    r"(?P<klass>\[\^?(?:\\.|[^\]\\\[])+\])"
    r"|(?P<escape>\\[dwsDWSt.\-/:\[\](){}+*?|^$\"'=,;#&%@!~<>])"
    r"|(?P<literal>[^\\.\[\](){}+*?|^$])"
)
_REPEAT = re.compile(r"(?:[*+?]|\{(?P<low>[0-9]{1,3})(?P<more>,(?P<high>[0-9]{0,3}))?\})\??")
_DIGITS = frozenset("0123456789")
_WORD = _DIGITS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_SPACE = frozenset("\t\n\f\r ")
_ESCAPED = {"d": _DIGITS, "w": _WORD, "s": _SPACE, "t": frozenset("\t")}


@dataclass(frozen=True, slots=True)
class _Atom:
    """A part of the expression that matches characters of a known set, some times over; None: not known."""

    source: str
    chars: frozenset[str] | None
    least: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """A run, a separator or a gap."""

    kind: Literal["run", "separator", "gap"]
    source: str = ""
    may_be_digit: bool = False
    must_be_digit: bool = False


def shape_regex(pattern: str) -> str | None:
    """The expression to be asked of shapes; None when nothing can be said."""
    atoms = _parse(pattern)
    if atoms is None:
        return None
    pieces = _without_lone_runs(list(_pieces(atoms)))
    while pieces and pieces[0].kind == "gap":
        del pieces[0]
    while pieces and pieces[-1].kind == "gap":
        del pieces[-1]
    return _source(pieces) or None


def _parse(pattern: str) -> list[_Atom] | None:
    """The expression as a sequence of atoms; None when it has alternatives, groups, flags or anchors."""
    atoms: list[_Atom] = []
    at = 0
    while at < len(pattern):
        if pattern[at] == ".":
            source, chars, at = ".", None, at + 1
        else:
            found = _ATOM.match(pattern, at)
            if found is None:
                return None
            source, chars, at = found[0], _chars(found), found.end()
        repeat = _REPEAT.match(pattern, at)
        least = 1
        if repeat is not None:
            least = int(repeat["low"]) if repeat["low"] else int(repeat[0][0] == "+")
            source, at = source + repeat[0], repeat.end()
        atoms.append(_Atom(source, chars, least))
    return atoms


def _chars(found: re.Match[str]) -> frozenset[str] | None:
    """The characters an atom matches; None when they are not a few ASCII ones."""
    if found["literal"] is not None:
        return frozenset(found[0]) if found[0].isascii() else None
    if found["escape"] is not None:
        char = found[0][1]
        return _ESCAPED.get(char, None if char.isalnum() else frozenset(char))
    return _class_chars(found[0][1:-1])


def _class_chars(body: str) -> frozenset[str] | None:
    if body.startswith("^") or not body.isascii():
        return None
    chars: set[str] = set()
    at = 0
    while at < len(body):
        if body[at] == "\\":
            known = _ESCAPED.get(body[at + 1], None if body[at + 1].isalnum() else frozenset(body[at + 1]))
            if known is None:
                return None
            chars |= known
            at += 2
        elif body[at + 1 : at + 2] == "-" and at + 2 < len(body) and body[at + 2] != "\\":
            chars.update(map(chr, range(ord(body[at]), ord(body[at + 2]) + 1)))
            at += 3
        else:
            chars.add(body[at])
            at += 1
    return frozenset(chars) or None


def _pieces(atoms: Sequence[_Atom]) -> Iterator[_Piece]:
    """Neighbouring atoms of one kind together."""
    kinds = [_kind(atom) for atom in atoms]
    first = 0
    for place in range(1, len(atoms) + 1):
        if place == len(atoms) or kinds[place] != kinds[first]:
            members = atoms[first:place]
            yield _Piece(
                kinds[first],
                "".join(atom.source for atom in members),
                may_be_digit=any(atom.chars is not None and atom.chars & _DIGITS for atom in members),
                must_be_digit=any(
                    atom.chars is not None and atom.least and atom.chars <= _DIGITS for atom in members
                ),
            )
            first = place


def _kind(atom: _Atom) -> Literal["run", "separator", "gap"]:
    if atom.chars is None:
        return "gap"
    if atom.chars <= _WORD:
        return "run" if atom.least else "gap"
    if atom.chars & _WORD:
        return "gap"
    return "separator" if atom.least else "gap"


def _without_lone_runs(pieces: list[_Piece]) -> list[_Piece]:
    """A run with gaps on both sides says too little: all three are one gap."""
    kept: list[_Piece] = []
    for place, piece in enumerate(pieces):
        lone = piece.kind == "run" and _is_gap(pieces, place - 1) and _is_gap(pieces, place + 1)
        if not lone and not (piece.kind == "gap" and kept and kept[-1].kind == "gap"):
            kept.append(piece)
    return kept


def _is_gap(pieces: Sequence[_Piece], place: int) -> bool:
    return 0 <= place < len(pieces) and pieces[place].kind == "gap"


def _source(pieces: Sequence[_Piece]) -> str:
    source = ""
    place = 0
    while place < len(pieces):
        piece = pieces[place]
        if piece.kind == "run" and _is_gap(pieces, place + 1) and pieces[place + 2].kind == "run":
            left, right = _run(pieces, place), _run(pieces, place + 2)
            source += f"(?:{left}{_ANYTHING}{right}|{MASK_SOURCE})"
            place += 3
            continue
        source += (
            _ANYTHING if piece.kind == "gap" else _run(pieces, place) if piece.kind == "run" else piece.source
        )
        place += 1
    return source


def _run(pieces: Sequence[_Piece], place: int) -> str:
    piece = pieces[place]
    if piece.must_be_digit:
        return MASK_SOURCE
    inside = 0 < place < len(pieces) - 1 and all(
        pieces[p].kind == "separator" for p in (place - 1, place + 1)
    )
    if inside and not piece.may_be_digit:
        return piece.source
    return f"(?:{piece.source}|{MASK_SOURCE})"
