"""A key in a variable of the environment."""

import os
from collections.abc import Mapping

from tamis.errors import KeyUnavailableError
from tamis.keys.providers.base import MAKE_ONE, parse_key


class EnvironmentProvider:
    """The key as base64 in the variable `variable`."""

    def __init__(self, variable: str, environ: Mapping[str, str] | None = None) -> None:
        self.variable = variable
        self._environ = os.environ if environ is None else environ

    @property
    def name(self) -> str:
        """Where the key is."""
        return f"environment variable {self.variable}"

    def load(self) -> bytes:
        """The key."""
        text = self._environ.get(self.variable, "")
        if not text:
            raise KeyUnavailableError(f"{self.variable} is not set in the environment; {MAKE_ONE}")
        return parse_key(text, f"{self.variable} in the environment")

    def create(self) -> bytes:
        """The key that is there; an environment can be set from outside only."""
        return self.load()
