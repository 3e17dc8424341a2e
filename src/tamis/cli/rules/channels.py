"""``tamis rules channels``: whom rules may tell."""

import sys

from cyclopts import App

from tamis.cli.failure import CommandError, UsageError
from tamis.cli.options import Flag, Where
from tamis.cli.rules.client import rules_of
from tamis.cli.terminal import print_json, say, visible

channels = App(name="channels", help="Whom rules may tell.", help_format="plaintext", version_flags=[])


@channels.command(name="list")
def list_channels(*, json: Flag = False, where: Where = Where()) -> None:
    """Show whom rules may tell, without what is secret.

    Parameters
    ----------
    json
        All of it as JSON.
    """
    with rules_of(where) as server:
        answer = server.get("channels")
    if json:
        print_json(answer)
        return
    for one in answer["channels"]:
        print(visible(f"{one['name']}  {one['shown']}"))


@channels.command(name="set")
def set_channel(name: str, url: str | None = None, /, *, where: Where = Where()) -> None:
    """Make or change a channel.

    Parameters
    ----------
    name
        Its name, as rules have it in `notify`.
    url
        Its URL; read from standard input when it is not given, so that no list of processes shows it.
    """
    given = sys.stdin.readline().strip() if url is None else url
    if not given:
        raise UsageError("give the channel's URL, here or on standard input")
    with rules_of(where) as server:
        server.send("PUT", "channels", name, body={"url": given})
    say(f"{name}: kept")


@channels.command(name="remove")
def remove_channel(name: str, /, *, where: Where = Where()) -> None:
    """Forget a channel that no rule names.

    Parameters
    ----------
    name
        Its name.
    """
    with rules_of(where) as server:
        server.send("DELETE", "channels", name)
    say(f"{name}: forgotten")


@channels.command(name="test")
def try_channel(name: str, /, *, where: Where = Where()) -> None:
    """Tell a channel a trial notice now.

    Parameters
    ----------
    name
        Its name.
    """
    with rules_of(where) as server:
        answer = server.send("POST", "channels", name, "test")
    if not answer["delivered"]:
        raise CommandError(f"{name}: {answer['problem']}")
    say(f"{name}: told")
