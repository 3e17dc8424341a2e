"""Messages out of a stream of bytes: lines, texts with a NUL behind each, or counted octets (RFC 6587).

What a sender does is seen message by message, as RFC 6587 has it: a message that begins with a count and `<` is
counted, any other ends at the next line feed. Python's SysLogHandler ends its messages with a NUL: a stream that
has one ends its messages so from there on, and line feeds belong to them. Memory: a message's limit and what was
fed.
"""

import re
from dataclasses import dataclass, field

COUNT_DIGITS_MAX = 9
_COUNT = re.compile(rb"([1-9][0-9]{0,8}) ")
_DIGITS = re.compile(rb"[1-9][0-9]{0,8}")
_SWITCH = {mark: re.compile(mark + rb"[1-9][0-9]{0,8} <") for mark in (b"\n", b"\0")}
_BETWEEN = b"\n\r\0"
_TAIL_BYTES = COUNT_DIGITS_MAX + 2


@dataclass(slots=True)
class Framed:
    """Messages, and of those that were too long: their places, and how many bytes were left out."""

    messages: list[bytes] = field(default_factory=list)
    cut: dict[int, int] = field(default_factory=dict)


class Frames:
    """Takes one connection's bytes apart. Not thread-safe.

    A message of more than `bytes_max` is given cut, once its end has come. `counted`: counts are looked for;
    `lines`: a line feed ends a message, as long as no NUL has come.
    """

    def __init__(self, bytes_max: int, *, counted: bool = True, lines: bool = True) -> None:
        self._bytes_max, self._looks_for_counts, self._lines = bytes_max, counted, lines
        self._held = bytearray()
        self._searched = 0
        self._head: bytearray | None = None
        """The beginning of a message that is too long, while its rest is let go …"""
        self._left_out = 0
        self._to_skip: int | None = None
        """… so many octets of it, or up to its end."""
        self._counted = False
        self._framed = Framed()

    @property
    def held_bytes(self) -> int:
        """What waits for its end."""
        return len(self._held) + (0 if self._head is None else len(self._head))

    def feed(self, data: bytes) -> Framed:
        """The messages that are whole now."""
        self._held += data
        if self._lines and b"\0" in data:
            self._lines = False
            self._searched = 0
        at = 0
        while at < len(self._held):
            after = self._step(at)
            if after == at:
                break
            at = after
        del self._held[:at]
        self._searched = max(0, self._searched - at)
        return self._take()

    def finish(self) -> Framed:
        """The stream has ended: what is left is a message, too."""
        rest = bytes(self._held)
        self._held.clear()
        if self._head is not None:
            self._end_cut()
        elif rest.strip(_BETWEEN):
            counted = _COUNT.match(rest) if self._looks_for_counts else None
            if counted and (self._counted or rest[counted.end() : counted.end() + 1] == b"<"):
                rest = rest[counted.end() :]
            self._add(rest)
        return self._take()

    def _take(self) -> Framed:
        framed, self._framed = self._framed, Framed()
        return framed

    def _step(self, at: int) -> int:
        """One message, or many lines; where the next begins. `at`: there is nothing whole any more."""
        if self._head is not None:
            return self._skip(at)
        if self._looks_for_counts and (self._counted or 0x31 <= self._held[at] <= 0x39):
            after = self._counted_message(at)
            if after is not None:
                return after
        return self._ended_messages(at)

    def _counted_message(self, at: int) -> int | None:
        """A message with its count; None when there is no count here."""
        held = self._held
        if held[at] in _BETWEEN:  # a trailer that was not counted
            return at + 1
        found = _COUNT.match(held, at)
        if found is None:
            if self._may_become_count(at):
                return at
            self._counted = False
            return None
        start = found.end()
        if not self._counted:
            if start >= len(held):
                return at
            if held[start] != 0x3C:
                return None
        self._counted = True
        size = int(found[1])
        if size > self._bytes_max:
            return self._begin_cut(start, size)
        if len(held) - start < size:
            return at
        self._add(bytes(held[start : start + size]))
        return start + size

    def _may_become_count(self, at: int) -> bool:
        found = _DIGITS.match(self._held, at)
        return found is not None and found.end() == len(self._held)

    def _ended_messages(self, at: int) -> int:
        """Messages that end with a line feed or NUL, as many as there are."""
        held = self._held
        mark = b"\n" if self._lines else b"\0"
        end = held.rfind(mark, max(at, self._searched)) + 1
        if end == 0:
            self._searched = len(held)
            return self._begin_cut(at, None) if len(held) - at > self._bytes_max else at
        if self._looks_for_counts:
            switch = _SWITCH[mark].search(held, at, min(len(held), end + _TAIL_BYTES))
            end = end if switch is None or switch.start() >= end else switch.start() + 1
        lines = bytes(held[at : end - 1]).split(mark)
        if max(map(len, lines)) > self._bytes_max:
            for line in lines:
                self._add(line)
        else:
            self._framed.messages.extend(line for line in lines if line)
        return end

    def _begin_cut(self, at: int, size: int | None) -> int:
        """The message from here is too long: keep its beginning, and let the rest go."""
        self._head, self._left_out, self._to_skip = bytearray(), 0, size
        return self._skip(at)

    def _skip(self, at: int) -> int:
        """What came of a message that is too long."""
        end = len(self._held)
        if self._to_skip is None:
            found = self._held.find(b"\n" if self._lines else b"\0", at)
            is_end = found != -1
            end = found if is_end else end
        else:
            end = min(end, at + self._to_skip)
            self._to_skip -= end - at
            is_end = self._to_skip == 0
        self._keep(at, end)
        if not is_end:
            return end
        counted = self._to_skip is not None
        self._end_cut()
        return end if counted else end + 1

    def _keep(self, at: int, end: int) -> None:
        assert self._head is not None
        room = min(self._bytes_max - len(self._head), end - at)
        self._head += self._held[at : at + room]
        self._left_out += end - at - room

    def _end_cut(self) -> None:
        assert self._head is not None
        head = _at_character(bytes(self._head)) if self._left_out else bytes(self._head)
        self._put(head, self._left_out + len(self._head) - len(head))
        self._head = self._to_skip = None

    def _add(self, message: bytes) -> None:
        if len(message) > self._bytes_max:
            head = _at_character(message[: self._bytes_max])
            self._put(head, len(message) - len(head))
        elif message:
            self._framed.messages.append(message)

    def _put(self, head: bytes, left_out: int) -> None:
        if left_out:
            self._framed.cut[len(self._framed.messages)] = left_out
        self._framed.messages.append(head)


def _at_character(head: bytes) -> bytes:
    """The bytes without the half of a UTF-8 character at their end."""
    for back in range(1, min(4, len(head)) + 1):
        byte = head[-back]
        if byte & 0xC0 == 0x80:
            continue
        whole = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        return head[:-back] if whole > back else head
    return head
