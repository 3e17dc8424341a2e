"""A key that a program prints: the way to every key vault there is."""

import subprocess
from collections.abc import Sequence

from tamis.errors import KeyUnavailableError
from tamis.keys.providers.base import parse_key

TIMEOUT_S = 10.0


class CommandProvider:
    """The key as base64 on the standard output of a program, run without a shell.

    Its standard error is not kept: it may hold secrets. When it does not end in time it is killed.
    """

    def __init__(self, command: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> None:
        self._command, self._timeout_s = tuple(command), timeout_s
        if not self._command:
            raise KeyUnavailableError("no command is named that prints the key; set keys.command")

    @property
    def name(self) -> str:
        """Where the key is; without the arguments, which may hold secrets."""
        return f"command {self._command[0]}"

    def load(self) -> bytes:
        """The key."""
        try:
            done = subprocess.run(  # noqa: S603 -- the operator's own command, and no shell reads it
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=self._timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise KeyUnavailableError(
                f"{self.name} did not end within {self._timeout_s:g} s; run it by hand, or allow it more time"
            ) from None
        except OSError as error:
            raise KeyUnavailableError(
                f"{self.name} cannot be run: {error.strerror}; check the path"
            ) from error
        if done.returncode:
            raise KeyUnavailableError(f"{self.name} ended with {done.returncode}; run it by hand to see why")
        return parse_key(done.stdout.decode("utf-8", "replace"), f"the output of {self.name}")

    def create(self) -> bytes:
        """The key that is there; a vault makes its keys itself."""
        return self.load()
