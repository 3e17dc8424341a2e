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
from tamis.cli.first_run.machine import LogFile, MachineLogs, end_of, export_journal, find_logs
from tamis.cli.first_run.panels import show_panels
from tamis.cli.first_run.port import port_to_use
from tamis.cli.ingest import decode_options
from tamis.cli.intake.once import OncePass
from tamis.cli.intake.progress import Progress
from tamis.cli.intake.sending import Sender, Tally
from tamis.cli.remote import RemoteTarget
from tamis.cli.stopping import stop_on_signals
from tamis.cli.target import Target
from tamis.cli.terminal import say
from tamis.errors import TamisError
from tamis.http_client import HttpClient
from tamis.http_client.address import parse_address

BYTES_MAX = 200_000_000
POLL_S = 0.2

app = App(name="make own-logs", help="Start a server, fill it with this machine's own logs, and show them.")


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
        _take_in(server, target, folder, find_logs(bytes_max))
        show_panels(target)
    finally:
        target.close()
    _print_ways_in(server, folder, running.url)


def _take_in(server: ServerProcess, target: Target, folder: Path, logs: MachineLogs) -> None:
    """Everything this machine has, and the server's own log."""
    tally = Tally()
    sender = Sender(target, decode_options(None, socket.gethostname()), tally)
    began_s = time.monotonic()
    with Progress(tally, logs.bytes) as progress, OncePass(sender, "auto", progress.update) as once:
        for file in logs.files:
            progress.update(file.path.name)
            with suppress(OSError, TamisError):  # a file that goes away or is damaged is no reason to stop
                _read(once, file)
        journal, own = folder / "journal", folder / "tamis.log"
        if export_journal(journal):
            once.read_path(journal, "journal")
        server.write_log_without_secrets(own)
        once.read_path(own, "tamis")
    passed_s = max(time.monotonic() - began_s, 1e-3)
    cut = f" (of {logs.cut:,} the newest part)" if logs.cut else ""
    say(f"{tally.line()} in {passed_s:.1f} s, from {len(logs.files):,} files of this machine{cut}")


def _read(once: OncePass, file: LogFile) -> None:
    if file.cut:
        once.read_pieces(end_of(file.path, file.bytes), file.path, file.service)
    else:
        once.read_path(file.path, file.service)


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
