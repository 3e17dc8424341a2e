"""Which port the server of the first run gets."""

from tamis.cli.terminal import say, warn
from tamis.errors import ConfigError
from tamis.server.front.listen import bind
from tamis.settings import load_settings

KEY = "server.port"


def port_to_use(given: int | None) -> int:
    """The port that is given, else what the settings say; 0 (any) when that is only the default and taken.

    Raises ConfigError when somebody chose a port and the server cannot have it.
    """
    settings = load_settings({KEY: given})
    warn(settings.warnings)
    port = settings.server.port
    try:
        bind(settings).close()
    except ConfigError as error:
        if error.key != KEY or KEY in settings.sources:
            raise
        say(f"port {port} is taken; another is used")
        return 0
    return port
