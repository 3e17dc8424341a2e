"""``tamis profile``: where a server's time goes."""

from pathlib import Path
from typing import Literal

from tamis.cli.failure import CommandError, UsageError
from tamis.cli.options import Flag, Where
from tamis.cli.reach import open_server
from tamis.cli.terminal import say
from tamis.disk.real import RealDisk

PATH = "/api/v1/profile"
SECONDS_MAX = 30
ENDINGS = {"html": "html", "speedscope": "speedscope.json", "text": "txt"}


def profile(
    *,
    seconds: int = 10,
    format: Literal["text", "html", "speedscope"] = "text",
    idle: Flag = False,
    output: Path | None = None,
    where: Where = Where(),
) -> None:
    """Look at what all threads of a running server do, and show where its time goes. The server goes on meanwhile.

    Parameters
    ----------
    seconds
        How long to look, 30 at most.
    format
        text is printed; html (a page) and speedscope (a file for speedscope.app) are written to a file.
    idle
        Count waiting, too.
    output
        The file to write; else tamis-profile.html or tamis-profile.speedscope.json here. - is standard output.
    """
    if not 1 <= seconds <= SECONDS_MAX:
        raise UsageError(f"--seconds {seconds}: 1 to {SECONDS_MAX}")
    target = output or (None if format == "text" else Path(f"tamis-profile.{ENDINGS[format]}"))
    client = open_server(where)
    try:
        say(f"looking at {client.address.url} for {seconds} s")
        query = {"seconds": seconds, "format": format, "idle": "true" if idle else "false"}
        body = client.request("GET", PATH, query=query).body
    finally:
        client.close()
    if target is None or str(target) == "-":
        print(body.decode(), end="")
        return
    _write(target, body)
    say(f"wrote {target}{_HINTS[format]}")


_HINTS = {
    "text": "",
    "html": "; open it in a browser",
    "speedscope": "; open it at https://www.speedscope.app (it stays on this machine) or with `npx speedscope`",
}


def _write(target: Path, body: bytes) -> None:
    try:
        RealDisk().write_whole(target.absolute(), [body])
    except OSError as error:
        raise CommandError(f"{target}: {error.strerror or error}; name another file with --output") from error
