"""What changes records on their way: one file a processor, one table, in the order of the chain."""

from collections.abc import Callable, Mapping
from typing import Final

from tamis.pipeline.base import Processor
from tamis.pipeline.processors.encrypt import encrypt_from
from tamis.pipeline.processors.redact import Redact, redact_from
from tamis.pipeline.processors.sample import sample_from
from tamis.pipeline.processors.suppress import suppress_from
from tamis.settings import Settings
from tamis.telemetry.diagnostics import Diagnostics

Make = Callable[[Settings, Diagnostics], "Processor | None"]
"""Makes a processor as the settings say; None when they say that there is none."""

PROCESSORS: Final[Mapping[str, Make]] = {
    "sample": lambda settings, _told: sample_from(settings.sample) if settings.sample.enabled else None,
    "suppress": lambda settings, _told: (
        suppress_from(settings.suppress) if settings.suppress.enabled else None
    ),
    "redact": lambda settings, _told: _redact(settings),
    "encrypt": lambda settings, told: encrypt_from(settings, told.tell) if settings.encrypt.enabled else None,
}


def create_processors(settings: Settings, diagnostics: Diagnostics) -> list[Processor]:
    """The processors that the settings ask for, in order. ConfigError names the setting that is wrong."""
    made = (make(settings, diagnostics) for make in PROCESSORS.values())
    return [processor for processor in made if processor is not None]


def _redact(settings: Settings) -> Redact | None:
    """None also when `Encrypt` is there: it masks what is to be masked, and could encrypt nothing after that."""
    is_wanted = settings.redact.enabled and not settings.encrypt.enabled
    return redact_from(settings.redact) if is_wanted else None
