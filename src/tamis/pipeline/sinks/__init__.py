"""Where records can go: the table of sinks, and how one is made from a name or a URL."""

from importlib import import_module

from tamis.errors import ConfigError
from tamis.pipeline.base import Sink
from tamis.pipeline.sinks.masking import KEY, without_secrets
from tamis.settings import Settings

_NETWORK = "tamis.pipeline.sinks."

SINKS: dict[str, str] = {
    "stderr": "tamis.pipeline.sinks.stderr",
    "file": "tamis.pipeline.sinks.file",
    "memory": "tamis.pipeline.sinks.memory",
    "http": f"{_NETWORK}tamis_server",
    "https": f"{_NETWORK}tamis_server",
    "elasticsearch+http": f"{_NETWORK}elasticsearch",
    "elasticsearch+https": f"{_NETWORK}elasticsearch",
    "opensearch+http": f"{_NETWORK}elasticsearch",
    "opensearch+https": f"{_NETWORK}elasticsearch",
    "otlp+http": f"{_NETWORK}otlp",
    "otlp+https": f"{_NETWORK}otlp",
}
"""The scheme of a URL, or a bare name, and the module whose `create(url, settings)` makes the sink: read when it is
needed, so that each member imports what it alone needs."""


def create_sink(given: str, settings: Settings) -> Sink:
    """The sink that a name or a URL stands for; ConfigError names what is wrong, and shows no secret."""
    scheme = given.strip().partition("://")[0].partition(":")[0].partition("?")[0].lower()
    module = SINKS.get(scheme)
    if module is None:
        known = ", ".join(sorted(SINKS))
        raise ConfigError(KEY, without_secrets(given), "a sink", f"no such sink; there are {known}")
    sink: Sink = import_module(module).create(given.strip(), settings)
    return sink
