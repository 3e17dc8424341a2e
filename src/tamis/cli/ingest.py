"""``tamis ingest``: files, folders, globs and standard input into a server or a data folder."""

import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from tamis.cli.failure import CommandError, Exit, UsageError
from tamis.cli.intake.once import OncePass
from tamis.cli.intake.progress import Progress
from tamis.cli.intake.reading import check_format
from tamis.cli.intake.sending import REJECTIONS_LISTED_MAX, Sender, Tally
from tamis.cli.intake.sources import STANDARD_INPUT, Source, find_sources, service_of, why_not
from tamis.cli.options import Flag, Where
from tamis.cli.reach import open_target
from tamis.cli.stopping import stop_on_signals
from tamis.cli.target import Target
from tamis.cli.terminal import print_json, say
from tamis.errors import TamisError, WireError
from tamis.settings import load_settings
from tamis.wire.base import DecodeOptions, FieldNames


def ingest(
    *files: Annotated[str, Parameter(allow_leading_hyphen=True)],
    format: str = "auto",
    service: str | None = None,
    host: str | None = None,
    follow: Annotated[Flag, Parameter(alias="-f")] = False,
    state: Path | None = None,
    json: Flag = False,
    where: Where = Where(),
) -> int:
    """Take in files, folders (with all below them), globs, or standard input (-).

    Compressed files (gzip, zstd, xz, bzip2) are taken as they are.
    The last line says how many records were received, stored and rejected.

    Parameters
    ----------
    files
        What to take in; - is standard input, and is meant when nothing is named.
    format
        How the lines are written; found out for each file by itself.
    service
        The service of records that name none; else what the file is called.
    host
        The host of records that name none; else this machine.
    follow
        Go on with what is appended, through rotation, until Ctrl-C; a restart goes on where it stopped.
    state
        The folder in which --follow keeps how far it has read.
    json
        The last line as JSON.
    """
    check_format(format)
    _check_names(files, follow=follow)
    sources = [] if follow else list(find_sources(name for name in files if name != STANDARD_INPUT))
    target = open_target(where, create=True)
    sender = Sender(target, decode_options(service, host or socket.gethostname()), Tally())
    failures: list[str] = []
    try:
        with _ended_by_signals(failures, follow=follow):
            if follow:
                _follow(files, sender, target, file_format=format, state=state)
            else:
                _once(sources, sender, file_format=format, piped=_is_piped(files), failures=failures)
    finally:
        _report(sender.tally, json=json)
        target.close()
    for failure in failures:
        say(f"tamis: {failure}")
    return int(Exit.FAILED if failures or sender.tally.nothing_stored else Exit.DONE)


@contextmanager
def _ended_by_signals(failures: list[str], *, follow: bool) -> Iterator[None]:
    """Ctrl-C and SIGTERM end what is inside; a failure, unless it would never end by itself."""
    try:
        with stop_on_signals():
            yield
    except KeyboardInterrupt:
        if not follow:
            failures.append("interrupted; what was not sent yet is not stored")


def _is_piped(files: Sequence[str]) -> bool:
    return not files or STANDARD_INPUT in files


def _check_names(files: Sequence[str], *, follow: bool) -> None:
    if follow and _is_piped(files):
        raise UsageError("--follow takes files, folders or globs")
    for name in files:
        if name.startswith("-") and name != STANDARD_INPUT and not Path(name).exists():
            raise UsageError(f"there is no option {name}; `tamis ingest --help` lists them")
    if files.count(STANDARD_INPUT) > 1:
        raise UsageError("standard input (-) can be read once")


def decode_options(service: str | None, host: str | None) -> DecodeOptions:
    """How files are read, under the settings."""
    settings = load_settings().ingest
    names = FieldNames(
        time=settings.time_fields, level=settings.level_fields, message=settings.message_fields
    )
    return DecodeOptions(service=service, host=host, fields=names, zone=ZoneInfo(settings.zone))


def _once(
    sources: Sequence[Source], sender: Sender, *, file_format: str, piped: bool, failures: list[str]
) -> None:
    total = None if piped else sum(one.path.stat().st_size for one in sources if one.path.is_file())
    with (
        Progress(sender.tally, total) as progress,
        OncePass(sender, file_format, progress.update) as once,
    ):
        if piped:
            once.read_descriptor(sys.stdin.fileno(), None)
        for source in sources:
            progress.update(source.path.name)
            if reason := why_not(source.path, any_bytes=file_format != "auto"):
                _pass_over(source, reason, failures)
                continue
            try:
                once.read_path(source.path, service_of(source.path))
            except (WireError, OSError) as error:
                failures.append(f"{source.path}: {getattr(error, 'strerror', None) or error}")


def _pass_over(source: Source, reason: str, failures: list[str]) -> None:
    """A file that is not read: a failure when it was named, a word otherwise."""
    if not source.named:
        say(f"{source.path}: passed over ({reason})")
        return
    hint = "; name its --format to take it anyway" if reason == "binary" else ""
    failures.append(f"{source.path}: {reason}{hint}")


def _follow(
    files: Sequence[str], sender: Sender, target: Target, *, file_format: str, state: Path | None
) -> None:
    from tamis.cli.intake.follow import Follower
    from tamis.cli.intake.state import open_positions

    for name in files:
        if not any(find_sources([name], strict=False)):
            say(f"{name}: not there yet; waiting for it")
    with open_positions(target, state) as positions, Progress(sender.tally, None) as progress:
        follower = Follower(files, sender, positions, file_format=file_format, tell=say)

        def on_idle() -> bool:
            progress.update("following")
            return False

        try:
            follower.run(on_idle)
        finally:
            try:
                follower.stop()
            except TamisError as error:
                raise CommandError(f"{error}; what was not acknowledged is sent at the next start") from error


def _report(tally: Tally, *, json: bool) -> None:
    """The first rejections, then the last line."""
    for rejection in tally.rejections:
        say(f"rejected {rejection}")
    if tally.rejected > REJECTIONS_LISTED_MAX:
        say(f"rejected … and {tally.rejected - REJECTIONS_LISTED_MAX:,} more")
    if json:
        print_json({"received": tally.received, "stored": tally.stored, "rejected": tally.rejected})
    else:
        print(tally.line(), flush=True)
