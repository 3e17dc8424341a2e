"""The repair of the store that a server has open: asked for by an administrator, done beside everything else."""

import threading
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from tamis.backup.source import sources_from
from tamis.disk.real import RealDisk
from tamis.errors import TamisError
from tamis.server.problems import ProblemError
from tamis.settings import Settings
from tamis.store.base import Store
from tamis.store.embedded.face import EmbeddedStore


class RepairState(msgspec.Struct, frozen=True, kw_only=True):
    """How the last repair stands; `outcome` is there when it is done, `error` when it failed."""

    state: Literal["idle", "running", "done", "failed"] = "idle"
    outcome: dict[str, Any] | None = None
    error: str | None = None


class RepairDesk:
    """One repair at a time, on a thread of its own. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.state = RepairState()

    def start(self, store: Store, places: Sequence[str], *, settings: Settings, accept_losses: bool) -> None:
        """Begin one. A 409 problem while another runs, a 501 problem for a store that has no files."""
        if not isinstance(store, EmbeddedStore):
            raise ProblemError(501, "This store has no files that could be repaired.")
        sources = sources_from(places, settings, RealDisk(), store_id=store.store_id)
        with self._lock:
            if self.state.state == "running":
                raise ProblemError(409, "A repair is under way; GET /api/v1/repair tells how it stands.")
            self.state = RepairState(state="running")

        def work() -> None:
            try:
                made = store.repair(sources, accept_losses=accept_losses)
                self.state = RepairState(state="done", outcome=msgspec.to_builtins(made))
            except TamisError as error:
                self.state = RepairState(state="failed", error=str(error))
            except BaseException as error:  # whoever asks must not wait for ever
                self.state = RepairState(state="failed", error=f"{type(error).__name__}: {error}")
                raise
            finally:
                for source in sources:
                    source.close()

        threading.Thread(target=work, name="tamis-repair", daemon=True).start()
