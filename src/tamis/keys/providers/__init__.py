"""The table of providers: where a key-encryption key may come from."""

from collections.abc import Callable, Mapping

from tamis.disk.base import Disk
from tamis.keys.providers.base import KeyProvider
from tamis.keys.providers.command import CommandProvider
from tamis.keys.providers.environment import EnvironmentProvider
from tamis.keys.providers.file import FileProvider
from tamis.settings.parts import KeysSettings

PROVIDERS: Mapping[str, Callable[[Disk, KeysSettings], KeyProvider]] = {
    "file": lambda disk, keys: FileProvider(disk, keys.file),
    "environment": lambda _, keys: EnvironmentProvider(keys.variable),
    "command": lambda _, keys: CommandProvider(keys.command, timeout_s=keys.command_timeout_s),
}
"""By the name that `keys.provider` has."""
