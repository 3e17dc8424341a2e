"""Log files of containers: Docker's json-file lines, and CRI's (Kubernetes); the text inside is read by its format.

Pieces of a long line are put together again. The text's own time counts where it has one, else the runtime's.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from tamis.record.model import Column, Columns
from tamis.wire.base import Bytes, Decoded, DecodeOptions, Rejections, WireLimits
from tamis.wire.jsonlines import BOM
from tamis.wire.multiline import last_start
from tamis.wire.times import Times

SAMPLE_LINES = 200

_CRI = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\S{8,30}) (?P<stream>stdout|stderr) (?P<tag>[FP])(?::\S*)?(?: (?P<text>.*)|$)",
    re.DOTALL,
)
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_EDGE = b"\r\0 "


class _DockerLine(msgspec.Struct):
    log: str
    time: str
    stream: str = ""
    attrs: dict[str, str] | None = None


@dataclass(slots=True)
class Wrapped:
    """A line of a container: what the runtime says of it, and its text; `partial`: its next piece follows."""

    text: str
    time: str | None = None
    stream: str | None = None
    attrs: dict[str, str] | None = None
    partial: bool = False


_decode_docker = msgspec.json.Decoder(_DockerLine).decode


def unwrap(line: bytes) -> Wrapped | None:
    """A line of either runtime; None when it is of none."""
    bare = line.strip(_EDGE)
    if bare.startswith(b"{"):
        try:
            docker = _decode_docker(bare)
        except _FAILURES:
            return None
        text = docker.log.removesuffix("\n")
        return Wrapped(text, docker.time, docker.stream or None, docker.attrs, partial=text == docker.log)
    match = _CRI.match(line.decode("utf-8", "replace").strip("\r\0"))
    if match is None:
        return None
    return Wrapped(match["text"] or "", match["time"], match["stream"], partial=match["tag"] == "P")


@dataclass(frozen=True, slots=True)
class ContainerFormat:
    """The decoder; `inner_of` chooses how to read the text inside, by a sample of it."""

    inner_of: Callable[[bytes], Callable[[Bytes, DecodeOptions], Decoded]]

    def decode(self, body: Bytes, options: DecodeOptions) -> Decoded:
        """Columns of a container's lines. A line that is of no runtime is read as text of its own."""
        data = body if isinstance(body, bytes) else bytes(body)
        rejections = Rejections(options.limits.rejections_listed_max)
        wrapped = joined(data.removeprefix(BOM), options, rejections)
        if not wrapped:
            return rejections.result(Columns(length=0, timestamp=[]))
        texts = [re.sub("[\r\n]+", "\r", one.text).encode("utf-8", "replace") for one in wrapped]
        inner = self.inner_of(b"\n".join(texts[:SAMPLE_LINES]))
        inside = replace(options, keep_unparsed=True, line_as_message=True)
        decoded = inner(b"\n".join(texts), inside)
        for one in decoded.rejected:
            rejections.add(one.line, one.reason)
        rejections.count += decoded.rejected_count - len(decoded.rejected)
        origins = [wrapped[at] for at in decoded.lines]
        return rejections.result(_with_runtime(decoded.columns, origins, Times(options.zone, options.now_ns)))


def joined(data: bytes, options: DecodeOptions, rejections: Rejections) -> list[Wrapped]:
    """The lines with their pieces put together, each stream's for itself."""
    limit = options.limits.line_bytes_max
    result: list[Wrapped] = []
    open_: dict[str | None, Wrapped] = {}
    for number, line in enumerate(data.split(b"\n")):
        if not line.strip(_EDGE):
            continue
        if len(line) > limit:
            rejections.add(number + 1, f"over line_bytes_max = {limit:,}: {len(line):,} bytes")
            continue
        one = unwrap(line) or Wrapped(line.decode("utf-8", "replace"))
        before = open_.get(one.stream)
        if before is not None and before.partial and len(before.text) + len(one.text) < limit // 4:
            before.text, before.partial = before.text + one.text, one.partial
        else:
            result.append(one)
            open_[one.stream] = one
    return result


def open_line(lines: Sequence[bytes], limits: WireLimits) -> int:
    """Where the last record begins, pieces and traces considered; what comes next may belong to it."""
    wrapped = [unwrap(line) or Wrapped(line.decode("utf-8", "replace")) for line in lines]
    at = last_start([one.text.replace("\n", " ") for one in wrapped], None, limits)
    while 0 < at <= len(lines) and wrapped[at - 1].partial:
        at -= 1
    return at


def _with_runtime(columns: Columns, origins: Sequence[Wrapped], times: Times) -> Columns:
    """The batch with the runtime's time where the text had none, and its stream."""
    if len(origins) != columns.length:
        raise AssertionError("each record of the text has a line")
    runtime = times.column([one.time for one in origins])
    stamps: Sequence[Any] = columns.timestamp
    extra: dict[str, Column] = {
        "stream": [one.stream for one in origins],
        "container_attrs": [one.attrs for one in origins],
    }
    attributes = {
        name: values for name, values in extra.items() if any(value is not None for value in values)
    }
    return Columns(
        length=columns.length,
        timestamp=[outer if stamp is None else stamp for stamp, outer in zip(stamps, runtime, strict=True)],
        core=columns.core,
        attributes={**attributes, **columns.attributes},
    )
