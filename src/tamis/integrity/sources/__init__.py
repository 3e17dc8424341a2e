"""Sources of bytes: `Source` is the contract, one kind a file."""

from tamis.integrity.sources.archive import ArchiveSource
from tamis.integrity.sources.base import Source
from tamis.integrity.sources.folder import FolderSource
from tamis.integrity.sources.http import HttpSource
from tamis.integrity.sources.opened import open_source

__all__ = ["ArchiveSource", "FolderSource", "HttpSource", "Source", "open_source"]
