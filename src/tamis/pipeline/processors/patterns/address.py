"""IP addresses, versions 4 and 6; not versions of programs, times, MAC addresses or fingerprints."""

import re
import socket
from collections.abc import Iterator
from typing import Final

from tamis.pipeline.processors.patterns.base import COLONS, DOTS, Pattern, Span, begins_word, ends_word

KIND: Final = "ip"
_V4: Final = re.compile(r"[0-9][0-9]{0,2}+\.[0-9]{1,3}+\.[0-9]{1,3}+\.[0-9]{1,3}+")
_VERSION_AFTER: Final = re.compile(
    r"[0-9A-Za-z]|\.[0-9]|-(?:alpha|beta|rc|dev|pre|snapshot|release|final|el\d|\d+(?:ubuntu|\.el|\.fc|deb))",
    re.IGNORECASE,
)
_VERSION_BEFORE: Final = re.compile(
    r"(?:\b(?:v|ver|versions?|release[ds]?|build|revision|rev|firmware|driver|kernel|update|upgrade[ds]?|fw|oid|c?python|pypy|(?:open)?jdk|jre)"
    r"(?:[ _-]?(?:is|no|number|id|from|to))?[\"']?\s{0,2}[:=#]?\s{0,2}[\"'(\[]?"
    r"|\b(?:Chrome|Chromium|HeadlessChrome|CriOS|Edge?|EdgA|EdgiOS|OPR|Opera|Safari|Firefox|FxiOS|Vivaldi|YaBrowser|"
    r"SamsungBrowser|Version|Electron|nginx|Apache|OpenSSL|PHP|Java|Trident|Gecko|AppleWebKit|UCBrowser|Brave)/"
    r"|-|==|>=|<=|~=|\^)$",
    re.IGNORECASE,
)
_BEFORE_CHARS: Final = 24
_V6: Final = re.compile(
    r"(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]++(?:(?<=:|\d)\d{0,2}(?:\.\d{1,3}){3})?"
)
_PAIRS: Final = re.compile(r"(?:[0-9A-Fa-f]{2}:){7}[0-9A-Fa-f]{2}")
"""Eight groups of two digits: a GUID of hardware, not an address."""


def find_v4(text: str) -> Iterator[Span]:
    """Four octets, unless what stands before says that it is a version."""
    for match in _V4.finditer(text):
        start, end = match.span()
        if (
            begins_word(text, start)
            and not (text[start - 1 : start] == "." and text[start - 2 : start - 1].isdigit())
            and not _VERSION_AFTER.match(text, end)
            and all(_is_octet(octet) for octet in match[0].split("."))
            and not _says_version(text[max(start - _BEFORE_CHARS, 0) : start])
        ):
            yield start, end


def _is_octet(digits: str) -> bool:
    return int(digits) <= 255 and (digits[0] != "0" or digits == "0")


def _says_version(before: str) -> bool:
    """A hyphen says it only after a name: `kernel-5.4.0.1`, not `10.0.0.1-10.0.0.9`."""
    found = _VERSION_BEFORE.search(before)
    if found is None:
        return False
    return found[0] != "-" or before[-2:-1].isalpha()


def find_v6(text: str) -> Iterator[Span]:
    """What the operating system's own parser takes for an address, and has a digit in it."""
    for match in _V6.finditer(text):
        start, end = match.span()
        found = match[0]
        if found.startswith(":") and not found.startswith("::"):
            start += 1
        elif not begins_word(text, start):
            continue
        if text.endswith(":", start, end) and not text.endswith("::", start, end):
            end -= 1
        if not ends_word(text, end):
            continue
        if _is_v6(text[start:end]):
            yield start, end


def _is_v6(text: str) -> bool:
    if len(text) < 3 or _PAIRS.fullmatch(text) or not any(character.isdigit() for character in text):
        return False
    try:
        socket.inet_pton(socket.AF_INET6, text)
    except (OSError, ValueError):
        return False
    return True


V6: Final = Pattern(KIND, "***IP***", COLONS, find_v6)
V4: Final = Pattern(KIND, "***IP***", DOTS, find_v4)
