"""Exceptions and stacks reduced to (file, line, function) on the caller: nothing they hold crosses threads."""

import linecache
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType

from tamis.embed.values import text_of
from tamis.pipeline.captured import Code, Raised

FRAMES_MAX = 100
"""Frames kept of one traceback or stack; of a longer one the outermost ten and the innermost."""
OUTERMOST = 10
CHAIN_MAX = 8
"""Exceptions that one came from, and members of a group, that are kept."""
EXCEPTIONS_MAX = 100
"""Exceptions of one record that are kept, members of groups within groups and all."""
NOTES_MAX = 20
"""Notes of one exception that are kept."""


_CAUSE, _CONTEXT = BaseException.__dict__["__cause__"].__get__, BaseException.__dict__["__context__"].__get__
_IS_SUPPRESSED = BaseException.__dict__["__suppress_context__"].__get__
_TRACEBACK = BaseException.__dict__["__traceback__"].__get__
_MEMBERS = BaseExceptionGroup.__dict__["exceptions"].__get__
"""What the interpreter keeps: a user's class may say anything under these names."""


def reduce_exception(error: BaseException) -> Raised:
    """The exception with what it came from, as `traceback` would follow it; never raises."""
    return _reduce(error, 0, iter(range(EXCEPTIONS_MAX - 1)))


def _reduce(error: BaseException, depth: int, room: Iterator[int]) -> Raised:
    """`room` has an item for each other exception that may be kept."""
    origin = _CAUSE(error)
    if origin is None and not _IS_SUPPRESSED(error):
        origin = _CONTEXT(error)
    deeper = depth + 1
    goes_on = origin is not None and deeper < CHAIN_MAX and next(room, None) is not None
    return Raised(
        _name(type(error)),
        text_of(error),
        _frames(_TRACEBACK(error)),
        _reduce(origin, deeper, room) if goes_on else None,
        _members(error, deeper, room),
        _notes(error),
    )


def _name(kind: type[BaseException]) -> str:
    try:
        module, name = str.__str__(kind.__module__), str.__str__(kind.__qualname__)
    except Exception:  # a metaclass may do anything
        module, name = "builtins", type.__dict__["__name__"].__get__(kind)
    return name if module in ("builtins", "__main__") else f"{module}.{name}"


def _members(error: BaseException, depth: int, room: Iterator[int]) -> tuple[Raised, ...]:
    if not isinstance(error, BaseExceptionGroup) or depth >= CHAIN_MAX:
        return ()
    kept = [member for member in _MEMBERS(error)[:CHAIN_MAX] if next(room, None) is not None]
    return tuple([_reduce(member, depth, room) for member in kept])


def _notes(error: BaseException) -> tuple[str, ...]:
    """What `add_note` left; never raises, whatever else somebody may have put there."""
    try:
        notes = getattr(error, "__notes__", None)
    except Exception:  # a property may do anything
        return ()
    return tuple(map(text_of, notes[:NOTES_MAX])) if isinstance(notes, list | tuple) else ()


def _frames(trace: TracebackType | None) -> tuple[Code, ...]:
    frames: list[Code] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append((code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return _bounded(frames)


def reduce_stack(frame: FrameType | None) -> tuple[Code, ...]:
    """A stack, outermost frame first."""
    frames: list[Code] = []
    while frame is not None:
        code = frame.f_code
        frames.append((code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    frames.reverse()
    return _bounded(frames)


def _bounded(frames: list[Code]) -> tuple[Code, ...]:
    if len(frames) <= FRAMES_MAX:
        return tuple(frames)
    cut = len(frames) - FRAMES_MAX
    return (*frames[:OUTERMOST], (f"[{cut:,} frames]", 0, ""), *frames[OUTERMOST + cut :])


def exception_of(exc_info: object) -> BaseException | None:
    """What `exc_info` names: an exception, a triple, or True for the one being handled."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        found = exc_info[1] if len(exc_info) > 1 else None
        return found if isinstance(found, BaseException) else None
    return sys.exception() if exc_info else None


def frame_above(depth: int) -> FrameType | None:
    """The frame `depth` steps above the caller; the outermost when there are fewer."""
    frame: FrameType | None = sys._getframe(1)
    while depth > 0 and frame is not None and frame.f_back is not None:
        frame, depth = frame.f_back, depth - 1
    return frame


def print_raised(raised: Raised) -> str:
    """The exception as Python prints it, from the lines that its files have now."""
    lines: list[str] = []
    if raised.cause is not None:
        lines += [print_raised(raised.cause), "", "The above exception led to this one:", ""]
    if raised.frames:
        lines.append("Traceback (most recent call last):")
    for file, line, function in raised.frames:
        lines.append(f'  File "{file}", line {line}, in {function}')
        if text := linecache.getline(file, line).strip():
            lines.append(f"    {text}")
    lines.append(f"{raised.type}: {raised.message}" if raised.message else raised.type)
    lines += raised.notes
    for member in raised.members:
        lines += ["  | " + text for text in print_raised(member).splitlines()]
    return "\n".join(lines)
