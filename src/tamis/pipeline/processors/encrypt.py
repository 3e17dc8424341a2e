"""Encryption: what is sensitive is masked, hashed or encrypted, each kind as it should be, and audited."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.errors import TamisError
from tamis.keys.envelope import TEXT_PREFIX
from tamis.pipeline.captured import Named
from tamis.pipeline.chain import Tell
from tamis.pipeline.processors.audit import RETRY_S, SecuredAudit
from tamis.pipeline.processors.patterns.detect import HASH_MARK
from tamis.pipeline.processors.redact import secure_from
from tamis.pipeline.processors.secure import Secure, without_content
from tamis.record.model import INSTANT_MAX, Record
from tamis.settings import EncryptSettings, Settings

if TYPE_CHECKING:
    from tamis.integrity.ledger import Ledger
    from tamis.keys.keyring import Keyring

MASK, HASH, ENCRYPT = "mask", "hash", "encrypt"
_KEY_ID: Final = slice(len(TEXT_PREFIX), len(TEXT_PREFIX) + 16)


class Encrypt:
    """Finds what `Redact` finds, and instead of masking it all secures each kind by its mode:

    ===========  =============================================================================
    ``mask``     as `Redact`
    ``hash``     ``<kind>:hash:<32 hex digits>``, keyed: the same text is seen to be the same
    ``encrypt``  a text envelope, ``tamis:v1:…``, which `tamis decrypt` opens
    ===========  =============================================================================

    Each record in which something was secured leaves an entry in the audit. The keyring is opened at the first
    of them. While keys are not to be had everything is masked (counted in `masked_instead`), which is told, and
    tried again after a minute.
    """

    name = "encrypt"
    reason = ""

    def __init__(
        self,
        secure: Secure,
        modes: Mapping[str, str],
        open_keyring: "Callable[[], Keyring]",
        *,
        audit: SecuredAudit | None,
        tell: Tell,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.masked_instead = 0
        self._secure, self._modes, self._open, self._audit = secure, modes, open_keyring, audit
        self._tell, self._clock = tell, clock
        self._keyring: Keyring | None = None
        self._not_before_s = float("-inf")
        self._kinds: Counter[str] = Counter()
        self._key_ids: set[str] = set()

    def process(self, record: Record, /) -> Record:
        """The record secured; the same object when there is nothing to secure."""
        if self._kinds:
            self._begin()
        return self._audited(self._secure.record(record, self._replace))

    def secure_named(self, record: Record, named: Sequence[Named], /) -> Record:
        """The record with named arguments in its message secured as fields of these names would be."""
        self._begin()
        return self._audited(self._secure.named_in(record, named, self._replace))

    def _audited(self, secured: Record) -> Record:
        if self._kinds and self._audit is not None:
            self._audit.write(secured, kinds=self._kinds, key_ids=frozenset(self._key_ids))
        return secured

    def failed(self, record: Record, /) -> Record:
        """A record that could not be looked at goes on without what it said."""
        return without_content(record)

    def due(self, now_ns: int, /) -> Sequence[Record]:
        """It holds nothing back; its audit is made safe now and then, and closed at the end."""
        if self._audit is not None:
            if now_ns >= INSTANT_MAX:
                self._audit.close()
            else:
                self._audit.tick()
        return ()

    def text(self, text: str) -> str:
        """A text secured, without an entry in the audit."""
        self._begin()
        return self._secure.text(text, self._replace)

    def _begin(self) -> None:
        self._kinds.clear()
        self._key_ids.clear()

    def _replace(self, kind: str, mask: str, text: str) -> str:
        mode = self._modes.get(kind, MASK)
        self._kinds[kind] += 1
        if mode == MASK:
            return mask
        try:
            keyring = self._open_keyring()
            if keyring is None:
                self.masked_instead += 1
                return mask
            if mode == HASH:
                return f"{kind}{HASH_MARK}{keyring.hash_text(text)}"
            envelope = keyring.encrypt_text(text)
        except (TamisError, OSError, ValueError) as error:
            self._failed(error)
            return mask
        self._key_ids.add(envelope[_KEY_ID])
        return envelope

    def _open_keyring(self) -> "Keyring | None":
        """The keyring; None while it is not to be had."""
        if self._keyring is None and self._clock.monotonic_s() >= self._not_before_s:
            self._keyring = self._open()
        return self._keyring

    def _failed(self, error: Exception) -> None:
        self.masked_instead += 1
        self._keyring, self._not_before_s = None, self._clock.monotonic_s() + RETRY_S
        self._tell("encrypt", f"sensitive data is masked and not encrypted for now: {error}")


def modes_from(settings: EncryptSettings) -> dict[str, str]:
    """The mode of each kind."""
    return {
        "key": settings.key,
        "email": settings.email,
        "ip": settings.ip,
        "card": settings.card,
        "phone": settings.phone,
        "iban": settings.iban,
        "jwt": settings.jwt,
        "private_key": settings.private_key,
        "cloud_key": settings.cloud_key,
        "credential": settings.credential,
        "own": settings.own,
    }


def encrypt_from(
    settings: Settings, tell: Tell, *, clock: Clock = SYSTEM_CLOCK, disk: Disk | None = None
) -> Encrypt:
    """Encryption as the settings say, with their keyring and audit. ConfigError for a pattern that is none."""

    def real_disk() -> Disk:
        from tamis.disk.real import RealDisk

        return disk or RealDisk()

    def open_keyring() -> "Keyring":
        from tamis.keys.resolved import keyring_from

        return keyring_from(settings.keys, real_disk(), clock=clock)

    def open_ledger() -> "Ledger":
        from tamis.integrity.ledger.resolved import ledger_from

        return ledger_from(settings.audit, real_disk(), clock=clock)

    audit = SecuredAudit(open_ledger, tell=tell, clock=clock) if settings.encrypt.audit else None
    return Encrypt(
        secure_from(settings.redact),
        modes_from(settings.encrypt),
        open_keyring,
        audit=audit,
        tell=tell,
        clock=clock,
    )
