"""``tamis users``: help for who lost their token."""

from pathlib import Path

from cyclopts import App

from tamis.cli.failure import UsageError
from tamis.cli.options import Flag
from tamis.cli.terminal import print_json, say
from tamis.settings import load_settings

users = App(name="users", help="Help who lost their token.", help_format="plaintext", version_flags=[])


@users.command(name="reset-admin")
def reset_admin(*, data: Path | None = None, json: Flag = False) -> None:
    """Give the admin a new token and print it; the old one and its sessions end. A server may be running.

    Parameters
    ----------
    data
        The data folder; else the usual one.
    json
        The token as JSON.
    """
    from tamis.metadata.accounts import reset_admin as reset

    folder = data or load_settings().server.data.expanduser()
    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder; name one with --data")
    token = reset(folder)
    if json:
        print_json({"token": token})
    else:
        say("The admin's new token; it is shown this once:")
        print(token)
