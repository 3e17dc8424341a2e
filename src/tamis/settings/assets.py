"""Tamis' own files beside its program: where they are kept, and where they are had from."""

from dataclasses import dataclass
from pathlib import Path

from tamis.settings.fields import names, optional_file, seconds, size


def check_keys(value: object) -> None:
    """Public keys of Ed25519 in hex."""
    for key in value if isinstance(value, tuple) else ():
        if len(key) != 64 or any(digit not in "0123456789abcdef" for digit in key.lower()):
            raise ValueError("must be public keys of 64 hex digits, as `tamis assets pack --sign` shows them")


def check_mirrors(value: object) -> None:
    """Paths and URLs of the kinds that are known."""
    known = ("http", "https", "tamis+http", "tamis+https", "file")
    for place in value if isinstance(value, tuple) else ():
        scheme, is_url, _ = place.partition("://")
        if is_url and scheme not in known:
            raise ValueError(f"must be paths, or URLs that begin with one of {', '.join(known)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetsSettings:
    """Files that Tamis needs beside its program (its pages; later its models), kept as their manifest says."""

    folder: Path | None = optional_file(
        "The folder in which what was pulled or mended is kept; `assets` in the data folder unless it is named."
    )
    mirrors: tuple[str, ...] = names(
        "Where missing files are had from, asked in this order, those on this machine first: folders, tar archives, "
        "https://host/folder, tamis+https://TOKEN@host:4817. Asked only when something is missing.",
        check=check_mirrors,
    )
    keys: tuple[str, ...] = names(
        "Public keys of which one must have signed a newer manifest; without any, none comes from other machines.",
        check=check_keys,
    )
    look_interval_s: float = seconds(
        "60s", "How often files are looked at while the server runs; what is damaged is mended.", least=1
    )
    scrub_bytes_per_s: int = size(
        "8MiB",
        "How fast all their bytes are compared with their digests in the background; off: they are not.",
    )
    scrub_interval_s: float = seconds("24h", "From the beginning of one round of that to the next.", least=1)
    timeout_s: float = seconds("60s", "How long a mirror may take for 5 MB.", least=0.1)
    reserve_bytes: int = size("128MiB", "Free space that is never used for them.")
