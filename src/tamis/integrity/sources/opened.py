"""The source that a text names."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.disk.base import Disk
from tamis.errors import ConfigError
from tamis.integrity.sources.archive import ArchiveSource
from tamis.integrity.sources.base import Source
from tamis.integrity.sources.folder import FolderSource
from tamis.integrity.sources.http import http_source

WEB = ("http://", "https://", "tamis+http://", "tamis+https://")


def open_source(
    place: str | Path, disk: Disk, *, timeout_s: float = 60.0, clock: Clock = SYSTEM_CLOCK
) -> Source:
    """A folder, a tar archive, a web server's folder, or another Tamis (``tamis+https://TOKEN@host:4817``); nothing
    is looked at yet. ConfigError when the text names none of them.
    """
    text = str(place)
    if text.startswith(WEB):
        return http_source(text, timeout_s=timeout_s, clock=clock)
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    elif "://" in text:
        raise ConfigError(
            "mirror", text, "argument", f"must be a path, or begin with one of {', '.join(WEB)}"
        )
    path = Path(text).expanduser()
    return ArchiveSource(disk, path) if path.suffix == ".tar" else FolderSource(disk, path)
