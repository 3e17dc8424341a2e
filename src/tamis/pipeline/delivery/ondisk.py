"""Where a backlog stands on disk: a spool that is made at first need, and that may fail."""

from collections.abc import Callable, Sequence

from tamis.errors import DiskError, NoSpaceError
from tamis.pipeline.delivery.load import NOWHERE
from tamis.pipeline.parcel import Parcel
from tamis.pipeline.spool.spool import Spool

OpenSpool = Callable[[], Spool | None]
Tell = Callable[[str, str], object]


class OnDisk:
    """The spool of one backlog, if there is one. What fails is told and costs nothing: records that could not be
    appended are the caller's still, and without a note more is sent again after a crash. Not thread-safe.
    """

    def __init__(self, name: str, open_spool: OpenSpool, tell: Tell, *, spool: Spool | None = None) -> None:
        self.spool = spool
        self._name, self._open_spool, self._tell = name, open_spool, tell

    @property
    def folder(self) -> str:
        """Where it is, for people."""
        return "" if self.spool is None else str(self.spool.folder)

    @property
    def unsettled(self) -> int:
        """How many records stand there that are not done with."""
        return 0 if self.spool is None else self.spool.unsettled

    def open(self) -> Spool | None:
        """The spool, made when there was none; None when there is to be none, or it cannot be made now."""
        if self.spool is None:
            try:
                self.spool = self._open_spool()
            except DiskError as error:
                self._refused(error)
        return self.spool

    def append(self, parcel: Parcel, *, sync: bool = False) -> int:
        """The ordinal of the parcel's first record, or NOWHERE. A file that failed is followed by another at once."""
        if self.spool is None:
            return NOWHERE
        try:
            return self.spool.append(parcel, sync=sync)
        except DiskError as error:
            first = error
        try:
            ordinal = NOWHERE if isinstance(first, NoSpaceError) else self.spool.append(parcel, sync=sync)
        except DiskError:
            ordinal = NOWHERE
        if ordinal == NOWHERE:
            self._refused(first)
        else:
            self.failed(first)
        return ordinal

    def mark(self, batch_id: str, ordinals: Sequence[int]) -> None:
        """A batch is about to be sent."""
        self._note(lambda spool: spool.mark(batch_id, ordinals))

    def settle(self, ordinals: Sequence[int]) -> None:
        """These need not be kept."""
        self._note(lambda spool: spool.settle(ordinals))

    def prepare(self) -> None:
        """Make ready what takes time, between two batches."""
        self._note(Spool.prepare)

    def failed(self, error: DiskError) -> None:
        """It cannot be read or written now."""
        self._tell("spool", f"the spool of {self._name} fails: {error}")

    def close(self) -> None:
        """Let it go."""
        if self.spool is not None:
            self.spool.close()
            self.spool = None

    def _note(self, write: Callable[[Spool], object]) -> None:
        if self.spool is not None:
            try:
                write(self.spool)
            except DiskError as error:
                self.failed(error)

    def _refused(self, error: DiskError) -> None:
        trouble = "has no room" if isinstance(error, NoSpaceError) else "fails"
        self._tell("spool", f"the spool of {self._name} {trouble}: records wait in memory; {error}")
