"""The ledger that the settings describe."""

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.integrity.ledger.layout import Layout
from tamis.integrity.ledger.ledger import Ledger, open_ledger
from tamis.integrity.ledger.options import LedgerOptions
from tamis.integrity.ledger.signing import open_signer
from tamis.keys.providers.file import FileProvider
from tamis.settings.parts import AuditSettings


def options_from(settings: AuditSettings) -> LedgerOptions:
    """The numbers that the settings say."""
    return LedgerOptions(
        checkpoint_entries=settings.checkpoint_entries,
        checkpoint_interval_s=settings.checkpoint_interval_s,
        sync_interval_s=settings.sync_interval_s,
        part_bytes=settings.part_bytes,
        keep_s=settings.keep_s,
        part_age_s=min(LedgerOptions().part_age_s, settings.keep_s / 12),
    )


def layout_from(settings: AuditSettings) -> Layout:
    """Where the settings say that the audit is."""
    return Layout(settings.ledger, settings.heads)


def ledger_from(settings: AuditSettings, disk: Disk, *, clock: Clock = SYSTEM_CLOCK) -> Ledger:
    """`open_ledger` with what the settings say, signed. MissingExtraError without the extra ``crypto``."""
    return open_ledger(
        disk,
        settings.ledger,
        heads=settings.heads,
        signer=open_signer(FileProvider(disk, settings.signing_key)),
        clock=clock,
        options=options_from(settings),
    )
