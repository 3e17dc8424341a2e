"""The keyring that the settings describe."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.keys.keyring import Keyring, ignore_event, open_keyring
from tamis.keys.policy import FIELDS, POLICIES, SEGMENTS, Policy
from tamis.keys.providers import PROVIDERS
from tamis.keys.providers.base import KeyProvider
from tamis.keys.turnover import KeyEvent
from tamis.settings.parts import KeysSettings


def provider_from(settings: KeysSettings, disk: Disk) -> KeyProvider:
    """Where the settings say that the key-encryption key comes from."""
    return PROVIDERS[settings.provider](disk, settings)


def policies_from(settings: KeysSettings) -> Mapping[str, Policy]:
    """The policies, with what the settings say of fields and segments."""
    fields = Policy(
        rotate_age_s=settings.field_age_s,
        rotate_uses=settings.field_uses,
        keep=settings.field_keep,
        reserve_uses=settings.reserve_uses,
    )
    segments = replace(POLICIES[SEGMENTS], rotate_age_s=settings.storage_age_s)
    return {**POLICIES, FIELDS: fields, SEGMENTS: segments}


def keyring_from(
    settings: KeysSettings,
    disk: Disk,
    *,
    clock: Clock = SYSTEM_CLOCK,
    on_event: Callable[[KeyEvent], None] = ignore_event,
) -> Keyring:
    """`open_keyring` with what the settings say."""
    return open_keyring(
        disk,
        settings.keyring,
        provider=provider_from(settings, disk),
        clock=clock,
        policies=policies_from(settings),
        on_event=on_event,
    )
