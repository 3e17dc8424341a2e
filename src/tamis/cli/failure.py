"""Failures of commands: one sentence on the standard error stream, and an exit code."""

from enum import IntEnum

from tamis.errors import TamisError


class Exit(IntEnum):
    """Exit codes."""

    DONE = 0
    FOUND = 1
    """Something is wrong with what was looked at (verify, doctor, export)."""
    USAGE = 2
    FAILED = 3


class UsageError(TamisError):
    """The command was used wrongly."""


class CommandError(TamisError):
    """The command could not do what it was asked."""
