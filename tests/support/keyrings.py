"""Keyrings for tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tamis.clock import Clock
from tamis.disk.base import Disk
from tamis.disk.real import RealDisk
from tamis.keys import EnvironmentProvider, KeyEvent, Keyring, Policy, open_keyring
from tamis.keys.policy import POLICIES
from tamis.keys.providers.base import print_key
from tests.support.hand_clock import HandClock


@dataclass
class KeyringPlace:
    """A folder with a keyring; opens it as often as wanted, as other processes would."""

    folder: Path
    secret: bytes = bytes(range(1, 33))
    disk: Disk = field(default_factory=RealDisk)
    clock: Clock = field(default_factory=HandClock)
    policies: Mapping[str, Policy] = field(default_factory=lambda: POLICIES)
    events: list[KeyEvent] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "keyring.json"

    def open(self) -> Keyring:
        return open_keyring(
            self.disk,
            self.folder,
            provider=EnvironmentProvider("KEY", {"KEY": print_key(self.secret)}),
            clock=self.clock,
            policies=self.policies,
            on_event=self.events.append,
        )
