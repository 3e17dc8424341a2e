"""What the demonstration shows: a calm picture that renews itself in a terminal, plain lines elsewhere."""

from typing import TYPE_CHECKING, Any, Protocol

from tamis.cli.demo.faults import Fault
from tamis.cli.demo.figures import Figures
from tamis.cli.demo.places import Places
from tamis.cli.show.bars import spark
from tamis.cli.terminal import LEVEL_STYLES, out, visible

if TYPE_CHECKING:
    from rich.console import RenderableType

LINE_EVERY_S = 5.0
_ERRORS = ("ERROR", "CRITICAL", "ALERT", "EMERGENCY")
CELLS_PER_SECOND_MIN = 96
"""A terminal this wide has room for one cell a second of the last minute; a narrower one for half of them."""


class View(Protocol):
    """A context that shows."""

    def __enter__(self) -> "View": ...
    def __exit__(self, *_: object) -> None: ...

    def say(self, text: str) -> None:
        """Something happened."""
        ...

    def show(self, figures: Figures, *, passed_s: float, fault: Fault | None, next_in_s: float) -> None:
        """How it stands."""
        ...


def print_places(places: Places, *, is_kept: bool) -> None:
    """The ways in, before anything else."""
    print("Tamis demo: a shop of six processes logs to a server on this machine; now and then it breaks.\n")
    print(f"  open    {places.link}")
    print(f"  search  {places.search('level>=error')}")
    end = (
        f"Ctrl-C ends it; the records stay in {places.data}"
        if is_kept
        else "Ctrl-C ends it and removes everything"
    )
    print(f"\n{end}. The link signs in once.\n", flush=True)


def create_view(places: Places) -> View:
    """The view that fits standard output."""
    return LiveView(places) if out().is_terminal else LineView(places)


class LineView:
    """Plain lines: what happens, and the figures every few seconds."""

    def __init__(self, places: Places) -> None:
        self._places, self._due_s, self._fault = places, LINE_EVERY_S, ""

    def __enter__(self) -> "LineView":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def say(self, text: str) -> None:
        """A line at once."""
        print(visible(text), flush=True)

    def show(self, figures: Figures, *, passed_s: float, fault: Fault | None, next_in_s: float) -> None:
        """A line now and then; of a new fault how to see it."""
        if fault is not None and fault.kind != self._fault:
            self.say(f"  see it: {self._places.search(fault.query)}")
        self._fault = fault.kind if fault is not None else ""
        if passed_s < self._due_s:
            return
        self._due_s += LINE_EVERY_S
        levels = f"{figures.count(None, 'WARNING'):,} warnings, {figures.count(None, *_ERRORS):,} errors"
        self.say(f"{clock(passed_s)}  {figures.total:,} records, {figures.per_s():.0f} a second; {levels}")


class LiveView:
    """A picture of services, fault and notable records that renews itself in place."""

    def __init__(self, places: Places) -> None:
        from rich.live import Live

        self._places = places
        self._live = Live(console=out(), auto_refresh=False, transient=True)
        self._happened: list[str] = []

    def __enter__(self) -> "LiveView":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        """A line above the picture."""
        from rich.text import Text

        style = "yellow" if text.startswith("fault") or "ended" in text else "dim"
        self._live.console.print(Text(visible(text), style=style))

    def show(self, figures: Figures, *, passed_s: float, fault: Fault | None, next_in_s: float) -> None:
        """Draw it anew."""
        from rich.console import Group

        parts: list[RenderableType] = [
            services_table(figures, out().width),
            self._fault_text(fault, passed_s, next_in_s),
            notable_text(figures),
        ]
        self._live.update(Group(*parts), refresh=True)

    def _fault_text(self, fault: Fault | None, passed_s: float, next_in_s: float) -> Any:
        from rich.text import Text

        if fault is None:
            told = f"all is well; the next fault comes in {max(0, next_in_s):.0f} s"
            return Text.assemble((f"{clock(passed_s)}  ", "dim"), (told, "green"), "\n\n\n")
        return Text.assemble(
            (f"{clock(passed_s)}  ", "dim"),
            ("fault: ", "bold yellow"),
            (f"{fault.told}, for {passed_s - fault.start_s:.0f} s", "yellow"),
            ("\nsee it in another terminal:\n", "dim"),
            self._places.search(fault.query),
            "\n",
            overflow="fold",
        )


def services_table(figures: Figures, width: int) -> Any:
    """A line for each service: how many, how fast, the last minute, what is wrong."""
    from tamis.cli.show.tables import plain_table

    table = plain_table()
    for name, justify in (("service", "left"), ("records", "right"), ("per s", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # a literal, in a tuple
    table.add_column("last minute", no_wrap=True)
    for name in ("warnings", "errors"):
        table.add_column(name, justify="right", no_wrap=True)
    step = 1 if width >= CELLS_PER_SECOND_MIN + 20 else 2
    for service in figures.services:
        table.add_row(visible(service), *_cells(figures, service, step))
    table.add_row("all", *_cells(figures, None, step), style="bold")
    return table


def _cells(figures: Figures, service: str | None, step: int) -> list[Any]:
    from rich.text import Text

    rows = [figures.seconds.get(service, [])] if service is not None else list(figures.seconds.values())
    series = [sum(second) for second in zip(*rows, strict=True)] if rows else []
    bars = [sum(series[at : at + step]) for at in range(0, len(series), step)]
    warnings, errors = figures.count(service, "WARNING"), figures.count(service, *_ERRORS)
    return [
        f"{figures.count(service):,}",
        f"{figures.per_s(service):.1f}",
        Text(spark(bars), style="cyan"),
        Text(f"{warnings:,}", style=LEVEL_STYLES["WARNING"] if warnings else "dim"),
        Text(f"{errors:,}", style=LEVEL_STYLES["ERROR"] if errors else "dim"),
    ]


def notable_text(figures: Figures) -> Any:
    """The last warnings and errors, a line each."""
    from rich.text import Text

    lines = [Text("\nlast warnings and errors", style="bold")]
    for record in figures.notable:
        level = record.get("level") or "-"
        message = visible(str(record.get("message", ""))).replace("\n", " ")
        lines.append(
            Text.assemble(
                (str(record.get("timestamp", ""))[11:19] + " ", "dim"),
                (f"{level:9}", LEVEL_STYLES.get(level, "")),
                (f"{record.get('service') or '-':9}", "cyan"),
                message,
            )
        )
    return Text("\n").join(lines) if figures.notable else Text("")


def clock(passed_s: float) -> str:
    """Minutes and seconds."""
    return f"{int(passed_s) // 60:02d}:{int(passed_s) % 60:02d}"
