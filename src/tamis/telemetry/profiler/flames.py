"""Flame graphs of what threads did: pyinstrument's page and text, and speedscope's file."""

import os
import sys
from typing import TYPE_CHECKING, Literal

from tamis.clock import NS_PER_S
from tamis.errors import MissingExtraError
from tamis.telemetry.profiler.stacks import StackSamples, ThreadStacks

if TYPE_CHECKING:
    from pyinstrument.session import Session

FlameFormat = Literal["html", "speedscope", "text"]
MEDIA_TYPES: dict[FlameFormat, str] = {
    "html": "text/html; charset=utf-8",
    "speedscope": "application/json",
    "text": "text/plain; charset=utf-8",
}
ENDINGS: dict[FlameFormat, str] = {"html": "html", "speedscope": "speedscope.json", "text": "txt"}

_HEAD = '<meta charset="utf-8">'
_ALONE = (
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline';"
    " style-src 'unsafe-inline'; img-src data:; font-src data:\">"
)
"""The page asks for fonts of a foreign host, which would then know that it is looked at: it gets none."""


def draw(samples: StackSamples, format: FlameFormat, *, title: str, at_ns: int = 0) -> str:
    """The samples in this format; `at_ns` is when they were taken. "html" and "text" need pyinstrument
    (MissingExtraError)."""
    if format == "speedscope":
        return samples.speedscope(title)
    try:
        from pyinstrument.renderers import ConsoleRenderer, HTMLRenderer
    except ImportError:
        raise MissingExtraError("server", f"a profile as {format} (pyinstrument)") from None
    session = _session(samples, title, at_ns)
    if format == "text":
        return _heading(samples, title) + ConsoleRenderer(unicode=True, color=False).render(session)
    page: str = HTMLRenderer(resample_interval=0).render(session)
    return page.replace(_HEAD, _HEAD + _ALONE, 1)


def _session(samples: StackSamples, title: str, at_ns: int) -> "Session":
    """What pyinstrument would have recorded itself. It sees one thread only; these are all, each below its name."""
    from pyinstrument.session import Session

    root = f"all threads\0<process>\0{os.getpid()}"
    records = [
        (
            [root, _thread(thread), *("\0".join((name, file, str(line))) for name, file, line in stack)],
            seconds,
        )
        for thread in samples.threads
        for stack, seconds in thread.runs
    ]
    made: Session = Session.from_json(
        {
            "frame_records": records or [([root], 0.0)],
            "start_time": at_ns / NS_PER_S,
            "min_interval": samples.interval_s,
            "max_interval": samples.interval_s,
            "duration": samples.seconds,
            "sample_count": samples.samples,
            "start_call_stack": [root],
            "target_description": title,
            "cpu_time": sum(thread.cpu_s or 0.0 for thread in samples.threads),
            "sys_path": sys.path,
        }
    )
    return made


def _thread(thread: ThreadStacks) -> str:
    return f"{thread.title}\0<thread>\0{thread.ident}"


def _heading(samples: StackSamples, title: str) -> str:
    lines = [f"{title}: {samples.samples:,} looks in {samples.seconds:.1f} s"]
    lines += (f"  {thread.title}" for thread in samples.threads)
    return "\n".join(lines) + "\n"
