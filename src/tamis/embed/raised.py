"""Exceptions and stacks reduced to (file, line, function) on the caller: nothing they hold crosses threads."""

import linecache
import sys
from types import FrameType, TracebackType

from tamis.embed.values import text_of
from tamis.pipeline.captured import Code, Raised

FRAMES_MAX = 100
"""Frames kept of one traceback or stack; of a longer one the outermost ten and the innermost."""
OUTERMOST = 10
CHAIN_MAX = 8
"""Exceptions that one came from, and members of a group, that are kept."""
NOTES_MAX = 20
"""Notes of one exception that are kept."""


def reduce_exception(error: BaseException, *, depth: int = 0) -> Raised:
    """The exception with what it came from, as `traceback` would follow it; never raises."""
    kind = type(error)
    module = kind.__module__
    name = kind.__qualname__ if module in ("builtins", "__main__") else f"{module}.{kind.__qualname__}"
    origin = error.__cause__
    if origin is None and not error.__suppress_context__:
        origin = error.__context__
    deeper = depth + 1
    return Raised(
        name,
        text_of(error),
        _frames(error.__traceback__),
        None if origin is None or deeper >= CHAIN_MAX else reduce_exception(origin, depth=deeper),
        _members(error, deeper),
        _notes(error),
    )


def _members(error: BaseException, depth: int) -> tuple[Raised, ...]:
    if not isinstance(error, BaseExceptionGroup) or depth >= CHAIN_MAX:
        return ()
    return tuple(reduce_exception(member, depth=depth) for member in error.exceptions[:CHAIN_MAX])


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
