"""The text of a query, character by character: what stands where, and what is wrong there."""

import re
from dataclasses import dataclass

from tamis.errors import QueryError

STOPS = '()"|'
"""Beside white space, what ends an unquoted word."""

_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "n": "\n", "t": "\t", "r": "\r"}
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_NAME_BODY = r"(?:[^\W\d]|[@$])(?:[\w.@/$-]*[\w.@/$])?"
NAME = re.compile(_NAME_BODY)
_HEAD = re.compile(rf"(?P<name>{_NAME_BODY})(?:(?P<colon>:(?!//|:|\\))|\s*(?=[<>]))")
_KEYWORD = re.compile(r"(AND|OR|NOT)(?=[\s()\"|]|$)")
_SIGNS = (">=", "<=", ">", "<")


@dataclass(frozen=True, slots=True)
class Head:
    """The name before a condition. `quoted`: it stood in quotes, and so names nothing special."""

    name: str
    column: int
    quoted: bool = False


class Scanner:
    """A place in a query's text that moves to the right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def column(self) -> int:
        """Where we are: 1-based, in characters."""
        return self.at + 1

    @property
    def char(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.at : self.at + 1]

    def error(self, reason: str, hint: str | None = None, column: int | None = None) -> QueryError:
        """What to raise about this place, or about another column."""
        return QueryError(reason, self.column if column is None else column, hint)

    def skip_space(self) -> None:
        """Move to the next character that is no white space."""
        while self.char.isspace():
            self.at += 1

    def at_boundary(self) -> bool:
        """Whether nothing of the same word follows."""
        return not self.char or self.char.isspace() or self.char in STOPS

    def take(self, text: str) -> bool:
        """Move past `text` if it is next."""
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def keyword(self) -> str | None:
        """AND, OR or NOT, if it is next; does not move."""
        found = _KEYWORD.match(self.text, self.at)
        return found[1] if found else None

    def head(self) -> Head | None:
        """Move past a field's name and its colon, or up to the comparison after it, if that is next."""
        start = self.at
        if self.char == '"':
            return self._quoted_head()
        found = _HEAD.match(self.text, start)
        if found is None:
            return None
        self.at = found.end()
        return Head(found["name"], start + 1)

    def _quoted_head(self) -> Head | None:
        start = self.at
        name = self.quoted()
        if self.take(":") or self.char in ("<", ">"):
            if not name:
                raise self.error("a field's name is empty", column=start + 1)
            return Head(name, start + 1, quoted=True)
        self.at = start
        return None

    def sign(self) -> str | None:
        """Move past a comparison and the space after it, if it is next."""
        for sign in _SIGNS:
            if self.take(sign):
                self.skip_space()
                return sign
        return None

    def run(self, stops: str = STOPS) -> str:
        """Move to the end of an unquoted word."""
        start = self.at
        while self.char and not self.char.isspace() and self.char not in stops:
            self.at += 1
        return self.text[start : self.at]

    def quoted(self) -> str:
        """Move past a quoted text; its meaning."""
        start = self.column
        self.at += 1
        parts: list[str] = []
        while self.char != '"':
            if not self.char:
                raise self.error(
                    "this quote is not closed", 'Put a " at its end, or \\" for a quote inside.', start
                )
            parts.append(self._escape() if self.char == "\\" else self.char)
            self.at += 1
        self.at += 1
        return "".join(parts)

    def _escape(self) -> str:
        """The character behind a backslash; moves to the last character of the escape."""
        column = self.column
        self.at += 1
        if self.char == "u":
            return self._unicode(column)
        known = _ESCAPES.get(self.char)
        if known is None:
            raise self.error(
                f"\\{self.char} means nothing in quotes",
                'Write \\\\ for a backslash; else \\" \\n \\t \\uXXXX.',
                column,
            )
        return known

    def _unicode(self, column: int) -> str:
        code = self._hex4(column)
        if 0xD800 <= code < 0xDC00 and self.text.startswith("\\u", self.at + 1):
            self.at += 2
            low = self._hex4(column)
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00) if 0xDC00 <= low < 0xE000 else -1
        if code < 0 or 0xD800 <= code < 0xE000:
            raise self.error("half of a surrogate pair is no character", column=column)
        return chr(code)

    def _hex4(self, column: int) -> int:
        found = _HEX4.match(self.text, self.at + 1)
        if found is None:
            raise self.error("\\u needs four hexadecimal digits", "As in \\u00e9.", column)
        self.at += 4
        return int(found[0], 16)

    def regex(self) -> str | None:
        """Move past ``/pattern/`` when the closing slash ends the word; None when this is no such thing."""
        at = self.at + 1
        parts: list[str] = []
        while at < len(self.text) and self.text[at] != "/":
            pair = self.text[at : at + 2] if self.text[at] == "\\" else self.text[at]
            parts.append("/" if pair == "\\/" else pair)
            at += len(pair)
        before, self.at = self.at, at + 1
        if at >= len(self.text) or not parts or not self.at_boundary():
            self.at = before
            return None
        return "".join(parts)
