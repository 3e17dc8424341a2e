"""Keys, and what they open: keyring, envelopes, rotation, providers. Encryption takes the extra ``crypto``.

keyring = open_keyring(RealDisk(), folder, provider=FileProvider(RealDisk(), folder / "master.key"))
secret = keyring.encrypt_text("4111 1111 1111 1111")
assert keyring.decrypt_text(secret) == "4111 1111 1111 1111"
"""

from tamis.keys.envelope import TEXT_ENVELOPE, TEXT_PREFIX
from tamis.keys.keyring import KeyFacts, Keyring, has_keyring, open_keyring
from tamis.keys.policy import FIELDS, SEGMENTS, Policy
from tamis.keys.providers import PROVIDERS
from tamis.keys.providers.base import KeyProvider
from tamis.keys.providers.command import CommandProvider
from tamis.keys.providers.environment import EnvironmentProvider
from tamis.keys.providers.file import FileProvider
from tamis.keys.resolved import keyring_from, policies_from, provider_from
from tamis.keys.turnover import KeyEvent

__all__ = [
    "FIELDS",
    "PROVIDERS",
    "SEGMENTS",
    "TEXT_ENVELOPE",
    "TEXT_PREFIX",
    "CommandProvider",
    "EnvironmentProvider",
    "FileProvider",
    "KeyEvent",
    "KeyFacts",
    "KeyProvider",
    "Keyring",
    "Policy",
    "has_keyring",
    "keyring_from",
    "open_keyring",
    "policies_from",
    "provider_from",
]
