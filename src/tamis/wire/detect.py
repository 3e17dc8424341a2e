"""Which format a text is in, by its first lines."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from tamis.wire import container, journal_export, jsonlines, logfmt
from tamis.wire.access import ACCESS
from tamis.wire.apt import APT
from tamis.wire.base import Bytes, Decoded, DecodeOptions, WireLimits
from tamis.wire.container import ContainerFormat
from tamis.wire.log4j import LOG4J
from tamis.wire.multiline import last_start
from tamis.wire.plain import PLAIN
from tamis.wire.python_logging import PYTHON
from tamis.wire.syslog import SYSLOG
from tamis.wire.text import TextFormat
from tamis.wire.timed import TIMED

SAMPLE_BYTES = 1 << 16
DOCUMENT_BYTES_MAX = 1 << 26
"""How much of a document (`Format.document`) may be held."""
SAMPLE_LINES = 200
LONG_LINES = 4
LONG_BYTES_MAX = 1 << 22
"""So many lines are looked at although they are long, as far as they are within so many bytes."""
SCORE_MIN = 0.3
"""The share of first lines that a format must know; what it does not know is kept as plain text anyway."""
TAIL_LINES = 64

_decode_json = msgspec.json.Decoder().decode
_JSON_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Format:
    """A format: how to decode whole lines of it, how to know one, and what of the end may not be whole yet.

    `hold` gives, for a text of whole lines, where its last record begins; what comes later may belong to it.
    `whole_only`: half a record cannot be decoded, so that it is held until the stream ends. `document`: the
    whole text is one value (hold up to `DOCUMENT_BYTES_MAX` of it).
    """

    name: str
    decode: Callable[[Bytes, DecodeOptions], Decoded]
    knows: Callable[[bytes], bool]
    hold: Callable[[bytes, WireLimits], int]
    whole_only: bool = False
    document: bool = False


def detect(sample: bytes, name: str | None = None) -> str:
    """The name of the format (a key of `FORMATS`) that knows most of the sample's lines; ``plain`` when none does.

    `name` is the file's: one that ends as JSON's do needs only one line that is.
    """
    if _is_journal(sample):
        return "journal"
    if _is_document(sample):
        return "json"
    if sample.lstrip().startswith((b"Start-Date: ", b"Log started: ")):
        return "apt"
    lines = _sample_lines(sample)
    best, best_score = "plain", 0.0
    for candidate in _BY_LINES:
        score = sum(map(FORMATS[candidate].knows, lines)) / len(lines) if lines else 0.0
        if score > best_score:
            best, best_score = candidate, score
    if best_score >= SCORE_MIN:
        return best
    named_so = best == "jsonlines" and name is not None and name.endswith((".jsonl", ".ndjson", ".json"))
    return best if named_so else "plain"


def first_lines(text: bytes) -> bytes:
    """The first `SAMPLE_BYTES` of a text, or its first `LONG_LINES` lines where these are longer."""
    end = 0
    for _ in range(LONG_LINES):
        end = text.find(b"\n", end) + 1
        if not end:
            return text[:LONG_BYTES_MAX]
    return text[: min(max(end, SAMPLE_BYTES), LONG_BYTES_MAX)]


def _sample_lines(sample: bytes) -> list[bytes]:
    """The first lines that begin records: whole, not blank, not indented."""
    lines = first_lines(sample).removeprefix(jsonlines.BOM).split(b"\n")
    if len(lines) > 1:
        lines.pop()
    kept = [line.strip(b"\r\0") for line in lines]
    return [line for line in kept if line.strip() and not line[:1].isspace()][:SAMPLE_LINES]


def _is_journal(sample: bytes) -> bool:
    return sample.startswith((b"__CURSOR=", b"__REALTIME_TIMESTAMP="))


def _is_document(sample: bytes) -> bool:
    """An array of objects, over many lines or on a long one."""
    text = sample.removeprefix(jsonlines.BOM).lstrip()
    if not text.startswith(b"[") or not text[1:].lstrip().startswith(b"{"):
        return False
    first = text.split(b"\n", 1)[0]
    return not (first.rstrip().endswith(b"]") and text[len(first) :].strip())


def _is_object(line: bytes) -> bool:
    if not line.startswith(b"{"):
        return False
    try:
        return isinstance(_decode_json(line), dict)
    except _JSON_FAILURES:
        return False


def _is_logfmt(line: bytes) -> bool:
    fields = logfmt.parse(line.decode("utf-8", "replace"))
    return fields is not None and len(fields) > 1


def _decode_inner(sample: bytes) -> Callable[[Bytes, DecodeOptions], Decoded]:
    """How to read the text inside a container's lines."""
    found = detect(sample + b"\n")
    return FORMATS["plain" if found in ("container", "journal", "json") else found].decode


def _hold_nothing(data: bytes, limits: WireLimits) -> int:
    return len(data)


def _hold_entry(data: bytes, limits: WireLimits) -> int:
    return journal_export.open_entry(data)


def _hold_text(form: TextFormat) -> Callable[[bytes, WireLimits], int]:
    begins = form.begins if form.patterns else None
    return lambda data, limits: _from_tail(
        data, lambda lines: last_start([one.decode("utf-8", "replace") for one in lines], begins, limits)
    )


def _hold_logfmt(data: bytes, limits: WireLimits) -> int:
    return _from_tail(
        data,
        lambda lines: last_start([one.decode("utf-8", "replace") for one in lines], logfmt.parse, limits),
    )


def _from_tail(data: bytes, start_of: Callable[[list[bytes]], int]) -> int:
    """Where the last record begins, looking at as few of the last lines as will tell."""
    lines = data.removesuffix(b"\n").split(b"\n")
    count = TAIL_LINES
    while True:
        tail = lines[-count:]
        start = start_of(tail)
        if start > 0 or count >= len(lines):
            return len(data) if start >= len(tail) else sum(map(len, lines[: len(lines) - len(tail) + start])) + (
                len(lines) - len(tail) + start
            )  # fmt: skip
        count *= 4


def _of_text(form: TextFormat) -> Format:
    def knows(line: bytes) -> bool:
        return form.begins(line.decode("utf-8", "replace"))

    return Format(form.name, form.decode, knows, _hold_text(form))


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format(
            "container",
            ContainerFormat(_decode_inner).decode,
            lambda line: container.unwrap(line) is not None,
            lambda data, limits: _from_tail(data, lambda lines: container.open_line(lines, limits)),
        ),
        Format("jsonlines", jsonlines.decode, _is_object, _hold_nothing),
        Format(
            "json", jsonlines.decode, _is_document, lambda data, limits: 0, whole_only=True, document=True
        ),
        Format("journal", journal_export.decode, _is_journal, _hold_entry, whole_only=True),
        _of_text(ACCESS),
        _of_text(SYSLOG),
        _of_text(PYTHON),
        _of_text(LOG4J),
        Format("logfmt", logfmt.decode, _is_logfmt, _hold_logfmt),
        _of_text(TIMED),
        _of_text(APT),
        _of_text(PLAIN),
    )
}
"""Every format by its name; of formats that know as many lines, the first is taken."""

_BY_LINES = [name for name in FORMATS if name not in ("json", "journal", "apt", "plain")]
