"""Redaction: what is sensitive is masked, wherever in a record it stands."""

from collections.abc import Sequence

from tamis.pipeline.captured import Named
from tamis.pipeline.contents import Contents
from tamis.pipeline.processors.glance import Glance
from tamis.pipeline.processors.names import SensitiveNames
from tamis.pipeline.processors.patterns import PATTERNS, Pattern
from tamis.pipeline.processors.patterns.detect import Detector
from tamis.pipeline.processors.patterns.own import own_patterns
from tamis.pipeline.processors.secure import Secure, without_content
from tamis.record.model import Record
from tamis.settings.processors import RedactSettings


class Redact:
    """Masks values whose names say that they are secret, at any depth, and what patterns find within texts.

    The message, all attributes and the texts of exceptions are looked at; ids, logger, service and host are not.
    Redacting twice changes nothing more.
    """

    name = "redact"
    reason = ""
    only_masks = True
    """Records are about as large afterwards."""

    def __init__(self, secure: Secure) -> None:
        self._secure = secure
        self._glance = Glance(secure, _mask)

    def places(self, records: Sequence[Record], contents: Contents | None = None, /) -> Sequence[int]:
        """Where in a batch the records stand that `process` may change."""
        return self._glance.places(records, contents)

    def process(self, record: Record, /) -> Record:
        """The record masked; the same object when there is nothing to mask."""
        return self._secure.record(record, _mask)

    def secure_named(self, record: Record, named: Sequence[Named], /) -> Record:
        """The record with named arguments in its message masked as fields of these names would be."""
        return self._secure.named_in(record, named, _mask)

    def failed(self, record: Record, /) -> Record:
        """A record that could not be looked at goes on without what it said."""
        return without_content(record)

    def due(self, _now_ns: int, /) -> Sequence[Record]:
        """It holds nothing back, and no secrets that it found."""
        self._secure.masked.clear()
        return ()

    def text(self, text: str) -> str:
        """A text masked."""
        return self._secure.text(text, _mask)


def _mask(_kind: str, mask: str, _text: str) -> str:
    return mask


def secure_from(settings: RedactSettings) -> Secure:
    """What the settings say is sensitive. ConfigError for a pattern that is none."""
    kinds = set(settings.kinds)
    chosen: tuple[Pattern, ...] = tuple(pattern for pattern in PATTERNS if pattern.kind in kinds)
    return Secure(Detector((*own_patterns(settings.patterns), *chosen)), SensitiveNames(settings.keys))


def redact_from(settings: RedactSettings) -> Redact:
    """Redaction as the settings say."""
    return Redact(secure_from(settings))
