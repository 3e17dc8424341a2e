"""Syslog as it comes over a network: RFC 5424, and RFC 3164 as it is really sent.

Unlike a line of a file (`wire.syslog`), a message is what the program said: its header goes into fields and
attributes. What has no header is a message as a whole, so there is nothing that cannot be kept.
"""

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from tamis.record.model import Columns
from tamis.wire.arrivals import Arrival, Arrived, cut_note
from tamis.wire.base import NOTE_FIELD, Decoded, DecodeOptions
from tamis.wire.jsonlines import UTF8_NOTE
from tamis.wire.rows import TIME_NOTE, safe_values
from tamis.wire.syslog import read_priority, structured_data
from tamis.wire.text import ABSENT, number
from tamis.wire.times import Times

Text: TypeAlias = str | None
Parts: TypeAlias = tuple[Text, Text, Text, Text, Text, Text, Text, str]
"""Priority, time, host, program, process id, message id, structured data, message: as they were written."""

_EDGE = "\r\n\0"
_BOM = "\ufeff"
_NIL = "((?!))?"  # a part that such a message has not

_PRI = r"<(0?[0-9]{1,2}|1[0-8][0-9]|19[01])>"
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[^ ]+"
_OLD_TIME = r"[A-Z][a-z]{2} (?: ?[0-9]|[0-9]{2}) (?:[0-9]{4} )?[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]+)?"
_ELEMENT = r"\[(?:[^\]\\\"]|\\.|\"(?:[^\"\\]|\\.)*+\")*+\]"
_TAG = r"([^\s:\[\](]+)(?:\([^)\s]*\))?(?:\[([^\]\s]*)\])?:"

_NEW_USUAL = re.compile(
    rf"{_PRI}[1-9][0-9]{{0,2}} (-|{_ISO}) ([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) (-|(?:{_ELEMENT})++)(?:\Z| {_BOM}?)(.*)",
    re.DOTALL,
)
_OLD_USUAL = re.compile(
    rf"{_PRI}({_OLD_TIME}|{_ISO}) ([^\s:\[\]]+) ([^\s:\[\](]+)(?:\[([0-9]+)\])?: ?{_NIL}{_NIL}(.*)", re.DOTALL
)

_PRIORITY = re.compile(_PRI)
_VERSION = re.compile(r"[1-9][0-9]{0,2} ")
_NEW_TIME = re.compile(rf"-|{_ISO}")
_TIMES = re.compile(rf"[*.]?({_OLD_TIME}|{_ISO})(?: [A-Z]{{3,4}}(?=:))?:? +")
_TAGGED = re.compile(_TAG + " ?")
_PROCESS = re.compile(r"([^\s:\[\](<]+)\[([0-9]+)\]: ?")


def parse(text: str) -> Parts:
    """One message by its parts; None is a part that it has not. Takes any text."""
    found = _PRIORITY.match(text)
    priority = found[1] if found else None
    rest = text[found.end() :] if found else text
    if priority is not None:
        version = _VERSION.match(rest)
        parts = _parse_new(rest[version.end() :]) if version else None
        if parts is not None:
            return priority, *parts
    return priority, *_parse_old(rest)


def _parse_new(text: str) -> tuple[Text, Text, Text, Text, Text, Text, str] | None:
    """RFC 5424 behind its version; None when it is something else."""
    words = text.split(" ", 5)
    if len(words) < 6 or "" in words[:5] or not _NEW_TIME.fullmatch(words[0]):
        return None
    stamp, host, program, process, name, rest = words
    end = 1 if rest.startswith("-") else _data_end(rest)
    data, message = rest[:end], rest[end:]
    if not data or (message and message[0] != " "):
        return stamp, host, program, process, name, None, rest  # the sender left the data out, or broke them
    return stamp, host, program, process, name, data, message[1:].removeprefix(_BOM)


def _data_end(text: str) -> int:
    """Where the structured data at the beginning of a text end; 0 when there are none, or they do not end."""
    end = at = 0
    inside = quoted = False
    while at < len(text):
        letter = text[at]
        if letter == "\\" and inside:
            at += 1
        elif letter == '"' and inside:
            quoted = not quoted
        elif not quoted:
            if inside and letter == "]":
                inside, end = False, at + 1
            elif not inside and letter == "[":
                inside = True
            elif not inside:
                break
        at += 1
    return end


def _parse_old(text: str) -> tuple[Text, Text, Text, Text, Text, Text, str]:
    """RFC 3164 behind its priority: time, host and tag, each where it is there."""
    found = _TIMES.match(text)
    if found is None:
        process = _PROCESS.match(text)
        if process is None:
            return None, None, None, None, None, None, text
        return None, None, process[1], process[2], None, None, text[process.end() :]
    stamp, rest, host = found[1], text[found.end() :], None
    tag = _TAGGED.match(rest)
    if tag is None or not _stands_alone(tag, rest):
        host, _, rest = rest.partition(" ")
        tag = _TAGGED.match(rest)
    if tag is None:
        return stamp, host, None, None, None, None, rest
    return stamp, host, tag[1], tag[2], None, None, rest[tag.end() :]


def _stands_alone(tag: re.Match[str], text: str) -> bool:
    """Whether a tag is that, and not the beginning of an address with colons."""
    return text[tag.end() - 1] == " " or tag.end() == len(text)


def decode_messages(arrivals: Sequence[Arrival], options: DecodeOptions) -> Decoded:
    """A record of each message; a blank one is none. The peer's address stands in where there is no host."""
    arrived = Arrived(arrivals)
    texts, notes = _texts(arrived)
    if "" in texts:
        places = [at for at, text in enumerate(texts) if text]
        texts = [texts[at] for at in places]
        arrived.peers = [arrived.peers[at] for at in places]
        arrived.received = [arrived.received[at] for at in places]
        notes = {new: notes[old] for new, old in enumerate(places) if old in notes}
    if not texts:
        return Decoded(Columns(length=0, timestamp=[]), 0)
    new, old = _NEW_USUAL.fullmatch, _OLD_USUAL.fullmatch
    if not texts[0].startswith("1 ", texts[0].find(">") + 1):
        new, old = old, new
    matches = [new(text) or old(text) for text in texts]
    parts = [match.groups() if match else parse(text) for match, text in zip(matches, texts, strict=True)]
    columns = _columns(list(zip(*parts, strict=True)), arrived, options, notes=notes)
    return Decoded(columns, columns.length)


def _texts(arrived: Arrived) -> tuple[list[str], dict[int, str]]:
    """The messages as texts, and what had to be changed in which of them."""
    notes = {at: cut_note(count) for at, count in arrived.cut.items()}
    try:
        return [message.decode().strip(_EDGE) for message in arrived.messages], notes
    except UnicodeDecodeError:
        pass
    texts = []
    for at, message in enumerate(arrived.messages):
        try:
            texts.append(message.decode().strip(_EDGE))
        except UnicodeDecodeError:
            texts.append(message.decode("utf-8", "replace").strip(_EDGE))
            notes.setdefault(at, UTF8_NOTE)
    return texts, notes


def _columns(
    parts: list[tuple[Any, ...]], arrived: Arrived, options: DecodeOptions, *, notes: dict[int, str]
) -> Columns:
    """The parts, a tuple for each of the eight, as columns."""
    priority, stamp, host, service, process, name, data, message = parts
    timestamp, unread = _timestamps(stamp, arrived, options)
    known = {text: read_priority(text) for text in set(priority)}
    pairs = [known[text] for text in priority]
    attributes: dict[str, list[Any]] = {
        "facility": [facility for _, facility in pairs],
        "pid": _mapped(process, number),
        "msgid": _mapped(name, _present),
        "structured_data": safe_values(_mapped(data, structured_data)),
        "peer": arrived.peers,
    }
    if unread:
        attributes["time"] = [unread.get(at) for at in range(len(message))]
        notes = dict.fromkeys(unread, TIME_NOTE) | notes
    if notes:
        attributes[NOTE_FIELD] = [notes.get(at) for at in range(len(message))]
    return Columns(
        length=len(message),
        timestamp=timestamp,
        core={
            "level": [level for level, _ in pairs],
            "service": _mapped(service, lambda one: _present(one) or options.service),
            "host": [
                peer if one is None or one in ABSENT else one
                for one, peer in zip(host, arrived.peers, strict=True)
            ],
            "message": list(message),
        },
        attributes={
            key: column for key, column in attributes.items() if any(one is not None for one in column)
        },
    )


def _timestamps(
    stamps: Sequence[Any], arrived: Arrived, options: DecodeOptions
) -> tuple[list[int | None], dict[int, str]]:
    """The instants, that of arrival where there is none; and the texts of times that cannot be read."""
    times = Times(options.zone, options.now_ns)
    read = times.column(list(stamps))
    unread: dict[int, str] = {}
    if None not in read:
        return read, unread
    for at, stamp in enumerate(read):
        if stamp is None:
            text = stamps[at]
            read[at] = arrived.received[at]
            if text is not None and text not in ABSENT:
                unread[at] = text
    return read, unread


def _mapped(values: Sequence[Any], made: Any) -> list[Any]:
    """A column of few distinct texts, each made once."""
    known = {value: None if value is None else made(value) for value in set(values)}
    return [known[value] for value in values]


def _present(text: str) -> Text:
    return None if text in ABSENT else text
