"""Severity: one scale (OpenTelemetry's 1-24) for the names and numbers that people use."""

_BANDS = (("TRACE", 1), ("DEBUG", 5), ("INFO", 9), ("WARNING", 13), ("ERROR", 17), ("CRITICAL", 21))

_NUMBERS: dict[str, int] = {
    **{
        name if step == 0 else f"{name}{step + 1}": number + step
        for name, number in _BANDS
        for step in range(4)
    },
    "NOTICE": 10,
    "ALERT": 22,
    "EMERGENCY": 24,
}

_NAMES: dict[int, str] = {
    number + step: name if step == 0 else f"{name}{step + 1}" for name, number in _BANDS for step in range(4)
}

_ALIASES: dict[str, str] = {
    "WARN": "WARNING", "WRN": "WARNING", "W": "WARNING",
    "ERR": "ERROR", "E": "ERROR", "SEVERE": "ERROR",
    "FATAL": "CRITICAL", "CRIT": "CRITICAL", "F": "CRITICAL", "C": "CRITICAL",
    "INFORMATION": "INFO", "INFORMATIONAL": "INFO", "INF": "INFO", "I": "INFO", "CONFIG": "INFO",
    "DBG": "DEBUG", "D": "DEBUG", "FINE": "DEBUG",
    "V": "TRACE", "VERBOSE": "TRACE", "FINER": "TRACE", "FINEST": "TRACE", "SILLY": "TRACE",
    "N": "NOTICE", "EMERG": "EMERGENCY", "PANIC": "EMERGENCY",
    **{f"WARN{n}": f"WARNING{n}" for n in (2, 3, 4)},
    **{f"FATAL{n}": f"CRITICAL{n}" for n in (2, 3, 4)},
}  # fmt: skip

_SYSLOG = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
_PYTHON = {
    5: "TRACE",
    10: "DEBUG",
    20: "INFO",
    25: "NOTICE",
    30: "WARNING",
    40: "ERROR",
    50: "CRITICAL",
    60: "CRITICAL",
}

LEVEL_CHARS_MAX = 32
"""A level longer than this is cut: it is a name, not a text."""


def canonical_level(text: str) -> str:
    """The level's usual name in capitals (``warn`` → ``WARNING``); unknown names only get the capitals."""
    upper = text.strip()[:LEVEL_CHARS_MAX].upper()
    return _ALIASES.get(upper, upper)


def severity(level: str) -> int:
    """OpenTelemetry's severity number of a level's name, 1-24; 0 when the name is not known."""
    return _NUMBERS.get(canonical_level(level), 0)


def level_of_otel(number: int) -> str | None:
    """The level of an OpenTelemetry severity number; None for 0 and what is out of range."""
    return _NAMES.get(number)


def level_of_syslog(number: int) -> str | None:
    """The level of a syslog severity (0 emergency … 7 debug); None out of range."""
    return _SYSLOG[number] if 0 <= number < len(_SYSLOG) else None


def level_of_python(number: int) -> str | None:
    """The level of a number on Python `logging`'s scale (10 debug … 50 critical), rounded down."""
    known = [value for value in _PYTHON if value <= number]
    return _PYTHON[max(known)] if known else None


def level_of_number(number: int) -> str | None:
    """The level of a bare number: 0-7 is syslog's scale, multiples of 10 Python's, the rest OpenTelemetry's."""
    if 0 <= number < len(_SYSLOG):
        return _SYSLOG[number]
    if number % 10 == 0 and number in _PYTHON:
        return _PYTHON[number]
    return level_of_otel(number)


def level_names() -> list[str]:
    """Every name with a severity, mildest first: for suggestions and pages."""
    return sorted(_NUMBERS, key=lambda name: (_NUMBERS[name], name))
