"""The walk through a record that redaction and encryption share: names first, then patterns within texts."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace as replaced

from tamis.pipeline.captured import Named
from tamis.pipeline.processors.names import SensitiveNames
from tamis.pipeline.processors.patterns import card
from tamis.pipeline.processors.patterns.detect import Detector, Replace
from tamis.pipeline.processors.patterns.fold import visible
from tamis.pipeline.processors.patterns.hints import has_name
from tamis.record.attributes import DEEP_MARK, Value
from tamis.record.model import Record

NAME_KIND: Final = "key"
"""The kind of what is sensitive for its name."""
NAME_MASK: Final = "***REDACTED***"
FAILED_MARK: Final = "***REDACTED*** (this record could not be looked at)"
CACHE_ENTRIES_MAX: Final = 8_192
CACHED_CHARS_MAX: Final = 160
_DEPTH_MAX: Final = 64
_NUMBER: Final = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")
_KEPT: Final = ("process_id",)
_PLAIN, _NAMED, _COUNTED, _DIRTY, _DIRTY_NAMED, _UNFORMATTED = 0, 1, 2, 3, 4, 5
"""What is known of a name: nothing, its value is sensitive, so it is unless it is a number, it holds something
sensitive itself, that and its value is sensitive, it tells that arguments stand beside their message."""
_ARGUMENTS, _FORMAT_ERROR = "arguments", "format_error"


class Secure:
    """Replaces what is sensitive in records. Used by one thread at a time.

    Texts and names that were found clean are remembered (`CACHE_ENTRIES_MAX` of each, short ones alone): logs
    repeat themselves, and looking a text up costs a tenth of looking at it.
    """

    def __init__(self, detector: Detector, names: SensitiveNames) -> None:
        self.detector, self.names = detector, names
        self.clean: set[Value] = set()
        """Texts that hold nothing."""
        self.masked: dict[str, str] = {}
        """What became of texts that were replaced a moment ago; for whoever fills it, and replaces alike always."""
        self._known: dict[str, int] = {}

    def record(self, record: Record, replace: Replace) -> Record:
        """The record with what is sensitive replaced; the same object when nothing is."""
        message = record.message
        if _FORMAT_ERROR in record.attributes:
            record = self._unformatted(record, replace)
        if message not in self.clean:
            message = self.text(message, replace)
        attributes = self._mapping(record.attributes, replace, depth=0)
        if message is record.message and attributes is record.attributes:
            return record
        return replaced(record, message=message, attributes=attributes)

    def text(self, text: str, replace: Replace) -> str:
        """A text with what is sensitive replaced; the same object when nothing is."""
        known = self.masked.get(text)
        if known is not None:
            return known
        hints = self.detector.may_hold(text)
        if hints:
            found = self.detector.replace(text, replace, hints=hints if hints > 0 else None)
            if found is not text:
                return found
        if len(text) <= CACHED_CHARS_MAX:
            if len(self.clean) >= CACHE_ENTRIES_MAX:
                self.clean.clear()
            self.clean.add(text)
        return text

    def named_in(self, record: Record, named: Iterable[Named], replace: Replace) -> Record:
        """The record, with what stands in its message by a sensitive name replaced, as a field's value would be."""
        text, at = record.message, 0
        parts: list[str] = []
        for name, start, end in named:
            known = self._known.get(name)
            known = self._learn(name) if known is None else known
            is_secret = known in (_NAMED, _DIRTY_NAMED) or (
                known == _COUNTED and _NUMBER.fullmatch(text, start, end) is None
            )
            if is_secret and end > at:  # what stands there by several names may overlap
                begin = max(start, at)
                parts += text[at:begin], str(self._named(text[begin:end], replace))
                at = end
        return replaced(record, message="".join((*parts, text[at:]))) if parts else record

    def _unformatted(self, record: Record, replace: Replace) -> Record:
        """Arguments that did not fit their template: where this, or one of them, has the name of something secret,
        any of them may be what the name stood for.
        """
        arguments = record.attributes.get(_ARGUMENTS)
        if not isinstance(arguments, list):
            return record
        texts = [record.message, *[one for one in arguments if isinstance(one, str)]]
        if not any(has_name(visible(text)) or self.names.has(text) for text in texts):
            return record
        masked = [self._named(one, replace) for one in arguments]
        return replaced(record, attributes={**record.attributes, _ARGUMENTS: masked})

    def is_plain(self, name: str) -> bool:
        """Whether a name neither says that its value is sensitive nor holds something sensitive itself."""
        known = self._known.get(name)
        return (self._learn(name) if known is None else known) == _PLAIN

    def is_count(self, name: str) -> bool:
        """Whether a number of this name is a count and no secret, and anything else of it is one."""
        known = self._known.get(name)
        return (self._learn(name) if known is None else known) == _COUNTED

    def _mapping(self, given: dict[str, Value], replace: Replace, *, depth: int) -> dict[str, Value]:
        known, clean = self._known, self.clean
        changed: dict[str, Value] | None = None
        is_pair = depth > 0 and "value" in given and self._says_so(given.get("name") or given.get("key"))
        for name, value in given.items():
            is_known = known.get(name)
            if not is_known:
                if is_known is None:
                    is_known = self._learn(name)
                kind = type(value)
                if is_pair and name == "value":
                    is_known = _NAMED
                elif is_known == _PLAIN and (
                    kind is bool
                    or ((kind is int or kind is float) and -card.NUMBER_MIN < value < card.NUMBER_MIN)  # type: ignore[operator]  # a number
                    or (kind is str and value in clean)
                ):
                    continue
            found_name = name if is_known < _DIRTY else self.detector.replace(name, replace)
            found = self._value(value, is_known, replace, depth=depth)
            if found is not value or found_name is not name:
                changed = changed if changed is not None else dict(given)
                if found_name is not name:
                    del changed[name]
                    found_name = _free(found_name, changed)
                changed[found_name] = found
        return given if changed is None else changed

    def _value(self, value: Value, known: int, replace: Replace, *, depth: int) -> Value:
        if known in (_NAMED, _COUNTED, _DIRTY_NAMED):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return value if known == _COUNTED and is_number else self._named(value, replace)
        return self._plain(value, replace, depth=depth)

    def _plain(self, value: Value, replace: Replace, *, depth: int) -> Value:
        if isinstance(value, str):
            return value if value in self.clean else self.text(value, replace)
        if isinstance(value, dict):
            return self._mapping(value, replace, depth=depth + 1) if depth < _DEPTH_MAX else DEEP_MARK
        if isinstance(value, list):
            return self._items(value, replace, depth=depth + 1) if depth < _DEPTH_MAX else DEEP_MARK
        return self._number(value, replace)

    def _items(self, given: list[Value], replace: Replace, *, depth: int) -> list[Value]:
        """The items, and of `["password", "x"]` within a list, or `"--password", "x"`, the second as what it is."""
        found: list[Value] = []
        is_option = False
        for value in given:
            if is_option:
                found.append(self._named(value, replace))
            elif type(value) is list and len(value) == 2 and self._says_so(value[0]):
                found.append([value[0], self._named(value[1], replace)])
            else:
                found.append(self._plain(value, replace, depth=depth))
            is_option = type(value) is str and value[:1] == "-" and "=" not in value and self._says_so(value)
        changed = any(
            new is not old and (type(new) is not list or new != old)
            for new, old in zip(found, given, strict=True)
        )
        return found if changed else given

    def _says_so(self, name: Value | None) -> bool:
        """Whether a text is the name of something sensitive."""
        if type(name) is not str or len(name) > CACHED_CHARS_MAX:
            return False
        known = self._known.get(name)
        return (self._learn(name) if known is None else known) == _NAMED

    def _number(self, value: Value, replace: Replace) -> Value:
        """A whole number that is a card's."""
        if (type(value) is int or type(value) is float) and card.NUMBER_MIN <= value < card.NUMBER_MAX:
            text = str(int(value))
            found = self.text(text, replace) if int(value) == value and card.is_card(text) else text
            return value if found is text else found
        return value

    def _named(self, value: Value, replace: Replace) -> Value:
        if isinstance(value, str):
            text = value
        elif isinstance(value, dict | list):
            text = _as_json(value)
        else:
            text = str(value)
        return value if self.detector.is_secured(text) else replace(NAME_KIND, NAME_MASK, text)

    def _learn(self, name: str) -> int:
        is_dirty = self.detector.may_hold(name) and self.detector.kinds(name)
        if name == _FORMAT_ERROR:
            known = _UNFORMATTED
        elif self.names.has(name):
            known = _DIRTY_NAMED if is_dirty else _COUNTED if self.names.may_count(name) else _NAMED
        elif is_dirty:
            known = _DIRTY
        else:
            known = _PLAIN
        if len(name) <= CACHED_CHARS_MAX:
            if len(self._known) >= CACHE_ENTRIES_MAX:
                self._known.clear()
            self._known[name] = known
        return known


def without_content(record: Record) -> Record:
    """What goes on of a record that could not be looked at: where and when it came from, nothing it said."""
    kept: dict[str, Value] = {}
    if isinstance(record.attributes, dict):
        kept = {name: value for name in _KEPT if type(value := record.attributes.get(name)) is int}
    return replaced(record, message=FAILED_MARK, attributes=kept)


def _free(name: str, taken: Mapping[str, Value]) -> str:
    """The name, or one with a number behind it that nobody has."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name} {number}", number + 1
    return free


def _as_json(value: Value) -> str:
    import msgspec

    try:
        return msgspec.json.encode(value).decode("utf-8")
    except (TypeError, ValueError, RecursionError, msgspec.EncodeError):  # lone surrogates, cycles
        return str(value)
