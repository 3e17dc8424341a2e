"""Sources of bytes: `Source` is the contract, one kind a file."""

from tamis.integrity.sources.base import Source
from tamis.integrity.sources.folder import FolderSource

__all__ = ["FolderSource", "Source"]
