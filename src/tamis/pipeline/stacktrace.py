"""An exception that a record carries, as the text people know from Python."""

from collections.abc import Iterator, Mapping, Sequence

from tamis.record.attributes import Value

CAUSE = "The above exception was the direct cause of the following exception:"
_DEPTH_MAX = 32


def print_exception(exception: Mapping[str, Value]) -> str:
    """`{type, message, notes, frames, cause, exceptions}` as Python prints a traceback, without the lines of code."""
    return "\n".join(_lines(exception, 0))


def _lines(exception: Mapping[str, Value], depth: int) -> Iterator[str]:
    cause = exception.get("cause")
    if isinstance(cause, Mapping) and depth < _DEPTH_MAX:
        yield from _lines(cause, depth + 1)
        yield from ("", CAUSE, "")
    frames = exception.get("frames")
    if isinstance(frames, Sequence) and not isinstance(frames, str) and frames:
        yield "Traceback (most recent call last):"
        yield from (print_frame(frame) for frame in frames)
    kind, message = exception.get("type", "Exception"), exception.get("message", "")
    yield f"{kind}: {message}" if message else str(kind)
    yield from notes_of(exception)
    members = exception.get("exceptions")
    if isinstance(members, Sequence) and not isinstance(members, str) and depth < _DEPTH_MAX:
        for number, member in enumerate(members, 1):
            yield f"  +---------------- {number} ----------------"
            if isinstance(member, Mapping):
                yield from (f"  | {line}" for line in _lines(member, depth + 1))


def notes_of(exception: Mapping[str, Value]) -> list[str]:
    """What was added to the exception after it was raised."""
    notes = exception.get("notes")
    return [str(note) for note in notes] if isinstance(notes, Sequence) and not isinstance(notes, str) else []


def print_frame(frame: Value) -> str:
    """One position as a line of a traceback."""
    if not isinstance(frame, Mapping):
        return f"  {frame}"
    return (
        f'  File "{frame.get("file", "?")}", line {frame.get("line", "?")}, in {frame.get("function", "?")}'
    )
