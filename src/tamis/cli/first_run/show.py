"""The run itself: start, take in, show, stay up."""

import shutil
import socket
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from tamis.cli import fail
from tamis.cli.failure import CommandError
from tamis.cli.first_run.child import ServerProcess
from tamis.cli.first_run.machine import MachineLogs, export_journal, find_logs
from tamis.cli.first_run.picture import histogram_text
from tamis.cli.first_run.port import port_to_use
from tamis.cli.ingest import decode_options
from tamis.cli.intake.once import OncePass
from tamis.cli.intake.progress import Progress
from tamis.cli.intake.sending import Sender, Tally
from tamis.cli.intake.sources import service_of
from tamis.cli.remote import RemoteTarget
from tamis.cli.show.patterns import patterns_table
from tamis.cli.show.records import line_of
from tamis.cli.stopping import stop_on_signals
from tamis.cli.target import Ask, Target
from tamis.cli.terminal import out, say, visible
from tamis.errors import TamisError
from tamis.http_client import HttpClient
from tamis.http_client.address import parse_address

BYTES_MAX = 200_000_000
PATTERNS_SHOWN = 8
RECORDS_SHOWN = 5
POLL_S = 0.2
SEARCHES = (
    "level>=error",
    "level>=warning",
    "error OR failed OR failure",
    "warning",
    "installed OR upgrade OR remove",
    "started OR stopped",
    "*",
)
"""The first that finds something is shown."""

app = App(name="make run", help="Start a server, fill it with this machine's own logs, and show them.")


@app.default
def first_run(
    *,
    stop_after: Annotated[float | None, Parameter(negative="")] = None,
    bytes_max: int = BYTES_MAX,
    port: int | None = None,
) -> None:
    """Start a server, fill it with this machine's own logs, show them, and stay up until Ctrl-C.

    Parameters
    ----------
    stop_after
        Stop by itself so many seconds after everything was shown.
    bytes_max
        Take in the newest so many bytes.
    port
        The port of the server; else what the settings say, or any other while the default is taken.
    """
    port = port_to_use(port)
    folder = Path(tempfile.mkdtemp(prefix="tamis-run-"))
    try:
        with stop_on_signals(), ServerProcess(folder, port) as server:
            _run(server, folder, bytes_max)
            _stay(server, stop_after)
    except KeyboardInterrupt:
        pass
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("Stopped.")


def _run(server: ServerProcess, folder: Path, bytes_max: int) -> None:
    running = server.wait_until_ready()
    target = RemoteTarget(HttpClient(parse_address(running.url), running.token))
    try:
        tally = _take_in(server, target, folder, find_logs(bytes_max))
        _show(target, tally)
    finally:
        target.close()
    _print_ways_in(server, folder, running.url)


def _take_in(server: ServerProcess, target: Target, folder: Path, logs: MachineLogs) -> Tally:
    """Everything this machine has, and the server's own log."""
    tally = Tally()
    sender = Sender(target, decode_options(None, socket.gethostname()), tally)
    began_s = time.monotonic()
    with Progress(tally, logs.bytes) as progress, OncePass(sender, "auto", progress.update) as once:
        for path in logs.files:
            progress.update(path.name)
            with suppress(OSError, TamisError):  # a file that goes away or is damaged is no reason to stop
                once.read_path(path, service_of(path))
        journal, own = folder / "journal", folder / "tamis.log"
        if export_journal(journal):
            once.read_path(journal, "journal")
        server.write_log_without_secrets(own)
        once.read_path(own, "tamis")
    passed_s = max(time.monotonic() - began_s, 1e-3)
    say(f"{tally.line()} in {passed_s:.1f} s, from {len(logs.files):,} files of this machine")
    return tally


def _show(target: Target, tally: Tally) -> None:
    from rich.panel import Panel

    console = out()
    count = target.count(Ask())["count"]
    by_level, by_service = target.histogram(Ask(), by="level"), target.histogram(Ask(), by="service")
    inner = console.width - 4
    console.print(
        Panel(
            histogram_text(by_level, inner, by_level=True),
            title=f"{count:,} records by level",
            title_align="left",
        )
    )
    console.print(
        Panel(histogram_text(by_service, inner, by_level=False), title="by service", title_align="left")
    )
    patterns = target.patterns(Ask(), limit=PATTERNS_SHOWN)["patterns"]
    console.print(
        Panel(patterns_table(patterns, count, one_line=True), title="top patterns", title_align="left")
    )
    _show_search(target)


def _show_search(target: Target) -> None:
    from rich.panel import Panel
    from rich.text import Text

    query = next((one for one in SEARCHES if target.count(Ask(one))["count"]), SEARCHES[-1])
    answer = target.search(Ask(query), limit=RECORDS_SHOWN)
    lines = [line_of({**record, "attributes": {}}).splitlines()[0] for record in answer["records"]]
    text = Text("\n".join(map(visible, lines)), overflow="ellipsis", no_wrap=True)
    title = f"tamis search '{query}'  ({answer['took_ms']:.1f} ms)"
    out().print(Panel(text, title=title, title_align="left"))


def _print_ways_in(server: ServerProcess, folder: Path, url: str) -> None:
    print(f"\nSearch from another terminal:  tamis search error --data {folder / 'data'}")
    print(f"Tamis listens on {url} - sign in once with {server.link()}")
    print("Ctrl-C stops it and removes what was taken in.", flush=True)


def _stay(server: ServerProcess, stop_after: float | None) -> None:
    deadline = float("inf") if stop_after is None else time.monotonic() + stop_after
    while time.monotonic() < deadline:
        if server.ended():
            raise CommandError(
                f"the server has ended: {server.log.read_text(errors='replace').strip()[-500:]}"
            )
        time.sleep(POLL_S)


def main() -> None:
    """Run it; failures are told in a sentence."""
    try:
        app(result_action="return_value")
    except (TamisError, OSError) as error:
        sys.exit(fail(error))
