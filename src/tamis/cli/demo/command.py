"""``tamis demo``: a server, a small real shop behind it, and a fault now and then."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tamis.cli.demo.faults import KINDS, schedule
from tamis.cli.demo.figures import Figures, read_figures
from tamis.cli.demo.places import Places
from tamis.cli.demo.shop.letters import Account
from tamis.cli.demo.shop_processes import ShopProcesses
from tamis.cli.demo.view import View, create_view, print_places
from tamis.cli.failure import CommandError, Exit, UsageError
from tamis.cli.first_run.child import ServerProcess
from tamis.cli.first_run.port import port_to_use
from tamis.cli.remote import RemoteTarget
from tamis.cli.stopping import stop_on_signals
from tamis.cli.target import Target
from tamis.clock import NS_PER_S, SYSTEM_CLOCK
from tamis.errors import RemoteError, UnreachableError
from tamis.http_client import HttpClient
from tamis.http_client.address import parse_address

TICK_S = 0.1
FIGURES_EVERY_S = 1.0
SERVER_STOP_S = 4.0
SINK_WAIT = "0.3s"


def demo(
    *,
    data: Path | None = None,
    port: int | None = None,
    seed: int | None = None,
    for_s: Annotated[float | None, Parameter(name=["--for"], negative="")] = None,
    fault: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
) -> int:
    """Start a server and a small shop of several processes that logs to it; a fault comes now and then.

    It prints its address with a link that signs in once, then shows how the shop does. Ctrl-C ends everything.

    Parameters
    ----------
    data
        A data folder, which stays; else a fresh one that is removed at the end.
    port
        The port of the server; 0 lets the system choose one. The shop listens on ports that the system chooses.
    seed
        Decides customers, prices and faults: the same seed, the same faults at the same times.
    for_s
        Stop by itself after so many seconds.
    fault
        Only this kind of fault (may be given more than once): slow-bank, bad-release, card-leak, stock-lock,
        mail-refused, agent-loop.
    """
    kinds = _kinds(fault)
    seed = SYSTEM_CLOCK.now_ns() % 1_000 if seed is None else seed
    port = port_to_use(port)
    folder = Path(tempfile.mkdtemp(prefix="tamis-"))
    accounts: list[tuple[str, Account | None]] = []
    try:
        with stop_on_signals(), ServerProcess(folder, port, data=data, stop_s=SERVER_STOP_S) as server:
            _run(server, folder, _Wish(seed, kinds, for_s, is_kept=data is not None), accounts)
    except KeyboardInterrupt:
        pass
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _print_accounts(accounts)


class _Wish:
    """What was asked for."""

    def __init__(self, seed: int, kinds: Sequence[str], for_s: float | None, *, is_kept: bool) -> None:
        self.seed, self.kinds, self.is_kept = seed, kinds, is_kept
        self.for_s = float("inf") if for_s is None else for_s


def _kinds(given: tuple[str, ...]) -> tuple[str, ...]:
    for kind in given:
        if kind not in KINDS:
            raise UsageError(f"there is no fault {kind!r}; there are {', '.join(KINDS)}")
    return tuple(dict.fromkeys(given)) or tuple(KINDS)


def _run(
    server: ServerProcess, folder: Path, wish: _Wish, accounts: list[tuple[str, Account | None]]
) -> None:
    running = server.wait_until_ready()
    address = parse_address(running.url)
    places = Places(running.url, server.link() or running.url, server.data)
    print_places(places, is_kept=wish.is_kept)
    with ExitStack() as stack:
        target = RemoteTarget(HttpClient(address, running.token, retry_for_s=0.0))
        stack.callback(target.close)
        view = create_view(places)
        sink = f"{address.scheme}://{running.token}@{address.host}:{address.port}?wait={SINK_WAIT}"
        shop = ShopProcesses(
            seed=wish.seed,
            sink=sink,
            folder=folder,
            faults=schedule(wish.seed, wish.kinds),
            say=view.say,
        )
        stack.callback(accounts.extend, shop.accounts)
        with shop, view:
            view.say(f"seed {wish.seed}")
            _watch(server, shop, target, view, wish.for_s)


def _watch(server: ServerProcess, shop: ShopProcesses, target: Target, view: View, for_s: float) -> None:
    began_s = SYSTEM_CLOCK.now_ns() // NS_PER_S
    figures, due_s = Figures(), 0.0
    while shop.passed_s < for_s:
        if server.ended():
            said = server.log.read_text(errors="replace").strip()
            raise CommandError(f"the server has ended: {said[-500:]}")
        shop.tick()
        if shop.passed_s >= due_s:
            due_s = shop.passed_s + FIGURES_EVERY_S
            try:
                figures = read_figures(target, began_s=began_s, now_s=SYSTEM_CLOCK.now_ns() // NS_PER_S)
            except (RemoteError, UnreachableError):
                continue  # a busy server: the next second has another look
            view.show(figures, passed_s=shop.passed_s, fault=shop.fault, next_in_s=shop.next_in_s)
        time.sleep(TICK_S)


def _print_accounts(accounts: list[tuple[str, Account | None]]) -> int:
    """What became of every record; whether any is missing decides the exit code."""
    if not accounts:
        print("Stopped.")
        return int(Exit.DONE)
    print("\nStopped. What became of every record that the shop logged:")
    is_whole = True
    for name, account in accounts:
        if account is None:
            print(f"  {name:9} fell over; what it had spooled, the next one sent")
            continue
        lost = account.sent - account.delivered - account.sampled
        left = {
            "spooled": account.spooled,
            "queued": account.queued,
            "refused": account.dead_lettered,
            "errors": account.errors,
        }
        told = "".join(f", {number:,} {name}" for name, number in left.items() if number)
        print(
            f"  {name:9}{account.sent:>7,} sent,{account.delivered:>7,} delivered,{account.sampled:>5,} sampled out, "
            f"{account.dropped:,} dropped{told}"
        )
        is_whole = is_whole and not lost
    return int(Exit.DONE if is_whole else Exit.FOUND)
