"""What a setting's value may look like: text, TOML value or Python value in, checked value out.

Every parser raises ValueError with half a sentence that fits after "server.port = 'x': ".
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

BYTES_BY_UNIT = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
SECONDS_BY_UNIT = {
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86_400),
    "w": Fraction(604_800),
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_INT = re.compile(r"[+-]?\d+(?:_\d+)*")
_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of values: its name in the reference, how it is read, how it is shown."""

    name: str
    parse: Callable[[object], object]
    show: Callable[[object], str] = str


def parse_text(value: object) -> str:
    """Any text."""
    if isinstance(value, str):
        return value
    raise ValueError("must be text")


def parse_int(value: object) -> int:
    """A whole number; `_` may separate digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INT.fullmatch(value.strip()):
        return int(value)
    raise ValueError("must be a whole number")


def parse_float(value: object) -> float:
    """A finite number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    else:
        try:
            number = float(parse_text(value))
        except ValueError:
            raise ValueError("must be a number") from None
    if number - number != 0:
        raise ValueError("must be a finite number")
    return number


def parse_bool(value: object) -> bool:
    """true/false, yes/no, on/off, 1/0."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("must be true or false")


def parse_bytes(value: object) -> int:
    """Bytes: a whole number, or text with a unit (100MB = 10**8, 64KiB = 65,536); off = 0."""
    if not isinstance(value, str):
        return parse_int(value)
    text = value.strip().replace("_", "")
    if text.lower() == "off":
        return 0
    match = _SIZE.fullmatch(text)
    unit = BYTES_BY_UNIT.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise ValueError("must be a size such as 65536, 64KiB or 100MB")
    return int(Fraction(match[1]) * unit)


def parse_seconds(value: object) -> float:
    """Seconds: a number, or text with units (250ms, 5m, 1h30m, 3d); off = 0."""
    if not isinstance(value, str):
        return parse_float(value)
    text = value.strip().lower()
    if text == "off":
        return 0.0
    parts = _DURATION_PART.findall(text)
    if parts and _DURATION_PART.sub("", text).strip() == "":
        return float(sum(Fraction(number) * SECONDS_BY_UNIT[unit] for number, unit in parts))
    try:
        return parse_float(text)
    except ValueError:
        raise ValueError("must be a duration such as 30, 250ms, 5m, 1h30m or 3d") from None


def parse_optional_port(value: object) -> int | None:
    """A port; off is none, 0 lets the system choose."""
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "off")):
        return None
    port = parse_int(value)
    if not 0 <= port <= 65_535:
        raise ValueError("must be a port from 0 to 65,535, or off")
    return port


def parse_list(value: object) -> tuple[str, ...]:
    """Texts: a list, or one text with commas between them."""
    if isinstance(value, str):
        return tuple(item for item in (part.strip() for part in value.split(",")) if item)
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError("must be a list of texts")


def parse_path(value: object) -> Path:
    """A path; `~` is the home folder."""
    text = str(value) if isinstance(value, Path) else parse_text(value)
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"has no home folder to start from ({error})") from error


def parse_optional_path(value: object) -> Path | None:
    """A path; empty text is none."""
    return None if value in ("", None) else parse_path(value)


def show_bool(value: object) -> str:
    """As TOML writes it."""
    return "true" if value else "false"


def show_bytes(value: object) -> str:
    """The largest binary unit that shows the size exactly."""
    size = parse_int(value)
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        whole, rest = divmod(size, BYTES_BY_UNIT[unit.upper()])
        if whole and not rest:
            return f"{whole}{unit}"
    return str(size)


def show_seconds(value: object) -> str:
    """The largest unit that shows the duration exactly."""
    seconds = Fraction(str(value))
    for unit in ("d", "h", "m", "s", "ms"):
        count = seconds / SECONDS_BY_UNIT[unit]
        if count >= 1 and count.denominator == 1:
            return f"{count}{unit}"
    return f"{value:g}"


def show_list(value: object) -> str:
    """With commas."""
    return ",".join(parse_list(value))


def show_port(value: object) -> str:
    """`off` for none."""
    return "off" if value is None else str(value)


def show_optional(value: object) -> str:
    """Nothing for none."""
    return "" if value is None else str(value)


TEXT = Kind("text", parse_text)
INT = Kind("int", parse_int)
FLOAT = Kind("float", parse_float, lambda value: f"{value:g}")
BOOL = Kind("bool", parse_bool, show_bool)
BYTES = Kind("bytes", parse_bytes, show_bytes)
BYTES_OR_OFF = Kind("bytes or off", parse_bytes, lambda value: show_bytes(value) if value else "off")
DURATION = Kind("duration", parse_seconds, show_seconds)
DURATION_OR_OFF = Kind(
    "duration or off", parse_seconds, lambda value: show_seconds(value) if value else "off"
)
PORT_OR_OFF = Kind("port or off", parse_optional_port, show_port)
LIST = Kind("list", parse_list, show_list)
PATH = Kind("path", parse_path)
OPTIONAL_PATH = Kind("path", parse_optional_path, show_optional)
