"""``tamis serve``: the server."""

from pathlib import Path

from tamis.cli.terminal import warn
from tamis.settings import load_settings


def serve(
    *, data: Path | None = None, host: str | None = None, port: int | None = None, config: Path | None = None
) -> None:
    """Start the server; it prints its address with a link that signs in once. Ctrl-C ends it cleanly.

    Parameters
    ----------
    data
        The data folder; made when it is not there.
    host
        The address to listen on; beyond this machine it takes TLS, or server.allow_insecure.
    port
        The port; 0 lets the system choose one.
    config
        A TOML file with settings; `tamis check-config` shows them all.
    """
    arguments = {
        "server.data": None if data is None else str(data),
        "server.host": host,
        "server.port": port,
    }
    settings = load_settings(arguments, toml_path=config)
    warn(settings.warnings)
    from tamis.server.lean import Slimmer, keep_lean

    keep_lean()  # before anything imports pyarrow
    from tamis.server.run import run

    with Slimmer():
        run(settings)
