"""The server's own files: looked at, mended, and given out to browsers and to other servers."""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import DiskError, IntegrityError
from tamis.integrity.manifest import Manifest
from tamis.integrity.options import StorageOptions
from tamis.integrity.publish import About, Edition
from tamis.integrity.report import StorageReport
from tamis.integrity.storage import StorageManager
from tamis.integrity.trust import Trust
from tamis.settings import Settings
from tamis.telemetry.metrics import Metrics
from tamis.telemetry.status import BOARD, StatusBoard
from tamis.version import __version__

NAME: Final = "tamis"
"""The name that a manifest of these files has."""
SHIPPED: Final = Path(__file__).parent
"""Where the program's own are; `manifest.json` there lists them."""
WEB: Final = "web/"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
EDITION: Final = Edition(
    name=NAME,
    release=__version__,
    only=WEB,
    about=lambda path: About(
        required=not path.startswith(f"{WEB}docs."),
        part="pages",
        without="the API, ingestion and the commands",
    ),
)
"""What the manifest says of what ships."""
_PATIENCE_MAX: Final = 60
"""After mending failed again and again, it is tried at every so manieth look at least."""


@dataclass(frozen=True, slots=True)
class Page:
    """One file of the pages, in memory."""

    data: bytes
    media_type: str
    etag: str


def asset_manager(
    settings: Settings,
    folder: Path | None,
    *,
    mirrors: tuple[str, ...] | None = None,
    keys: tuple[str, ...] | None = None,
    clock: Clock = SYSTEM_CLOCK,
    board: StatusBoard = BOARD,
) -> StorageManager:
    """The keeper of Tamis' own files, as the settings say; `folder` is the data folder. What was shipped came with the
    program; a newer manifest is pulled only when it is signed by one of the keys.
    """
    given = settings.assets
    own = given.folder or (folder or Path("/nonexistent")) / "assets"
    options = StorageOptions(
        timeout_s=given.timeout_s,
        reserve_bytes=given.reserve_bytes,
        scrub_bytes_per_s=given.scrub_bytes_per_s,
        scrub_interval_s=given.scrub_interval_s,
    )
    trusted = tuple(bytes.fromhex(key) for key in (given.keys if keys is None else keys))
    return StorageManager(
        own.expanduser(),
        given.mirrors if mirrors is None else mirrors,
        trust=Trust(name=NAME, keys=trusted, keyless_from_afar=False),
        shipped=SHIPPED,
        options=options,
        clock=clock,
        board=board,
    )


def assets_object(manifest: Manifest | None, report: StorageReport) -> dict[str, Any]:
    """Files and what a look found, as JSON has them."""
    wrong = {finding.path: finding.problem for finding in report.findings}
    files = [
        {
            "path": entry.path,
            "version": entry.version,
            "size": entry.size,
            "sha256": entry.sha256,
            "required": entry.required,
            "problem": wrong.get(entry.path),
        }
        for entry in (manifest.files if manifest is not None else ())
    ]
    return {
        "state": report.state.value,
        "version": report.version,
        "files": files,
        "degraded": msgspec.to_builtins(report.modes),
        "warnings": list(report.notes),
    }


class AssetKeeper:
    """Keeps the server's own files while it runs, and its pages in memory.

    Pages are read once, compared with their digests, and read again when a look finds that something was mended. A
    server without a folder (in memory) looks and mends nothing.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path | None,
        *,
        metrics: Metrics,
        clock: Clock = SYSTEM_CLOCK,
        board: StatusBoard = BOARD,
    ) -> None:
        self.manager = asset_manager(settings, folder, clock=clock, board=board)
        self._may_mend = folder is not None or settings.assets.folder is not None
        self._look_interval_s = settings.assets.look_interval_s
        self._metrics = metrics
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.report = self.manager.verify()
        self.pages: Mapping[str, Page] = self._read_pages()
        self._count()

    @property
    def manifest(self) -> Manifest | None:
        """The manifest in force."""
        return self.manager.manifest

    def why_missing(self, page: str) -> str:
        """What is wrong with a page that is not there; empty when there is no such page."""
        wrong = (one.sentence for one in self.report.findings if one.path == WEB + page)
        return next(wrong, "")

    def start(self) -> None:
        """Look, mend and scrub in the background, until `close`. Idempotent."""
        if self._may_mend and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="tamis-assets", daemon=True)
            self._thread.start()
            self.manager.start_scrub()

    def close(self) -> None:
        """End that. Idempotent."""
        self._stopping.set()
        self.manager.close()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> StorageReport:
        """Look at every file, mend what is not whole, and show the pages as they are then."""
        before = self.report
        self.report = self.manager.initialize_and_verify() if self._may_mend else self.manager.verify()
        if (
            self.report.mended
            or self.report.findings != before.findings
            or self.report.version != before.version
        ):
            self.pages = self._read_pages()
        self._count()
        return self.report

    def _run(self) -> None:
        """Look again and again; what could not be mended is waited for ever longer."""
        failures, left = 0, 0
        while True:
            if left == 0:
                failures = 0 if self.look().is_whole else failures + 1
                left = min(2 ** min(failures, 10), _PATIENCE_MAX) if failures else 1
            left -= 1
            if self._stopping.wait(self._look_interval_s):
                return

    def _read_pages(self) -> Mapping[str, Page]:
        pages: dict[str, Page] = {}
        for entry in self.manifest.files if self.manifest is not None else ():
            name = entry.path.removeprefix(WEB)
            media_type = MEDIA_TYPES.get("." + name.rpartition(".")[2])
            if name == entry.path or "/" in name or media_type is None:
                continue
            try:
                data = self.manager.read(entry.path)
            except (IntegrityError, DiskError):
                continue  # the look has told it already: the page is missing, and says so
            pages[name] = Page(data, media_type, f'"{hashlib.sha256(data).hexdigest()[:20]}"')
        return pages

    def _count(self) -> None:
        self._metrics.set("tamis_assets_damaged", len(self.report.findings))
        self._metrics.add("tamis_assets_mended_total", len(self.report.mended))
        self._metrics.add("tamis_assets_fetched_bytes_total", self.report.bytes_fetched)
