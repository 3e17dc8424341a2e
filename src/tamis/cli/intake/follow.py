"""Files read as they grow, through rotation and truncation, across restarts: every line once."""

import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from tamis.cli.intake.courier import Courier
from tamis.cli.intake.followed import FollowedFile
from tamis.cli.intake.identity import Place, begins_as, head_of_path, place_of, same_content
from tamis.cli.intake.positions import Position, Positions
from tamis.cli.intake.remains import Remains, find_original, find_remains, find_unseen
from tamis.cli.intake.sending import Sender
from tamis.cli.intake.sources import find_sources, service_of, why_not
from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.errors import OverloadedError, TamisError, UnreachableError

POLL_S = 0.25
DISCOVER_S = 1.0
AWAY_FIRST_S, AWAY_MAX_S = 1.0, 15.0
"""How long to wait before the target is asked again when it is away."""
AWAY = (UnreachableError, OverloadedError)


class Follower:
    """Follows what names, folders and globs stand for, looking for new files all the time.

    `tell` is given sentences for the user. Not thread-safe.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        sender: Sender,
        positions: Positions,
        *,
        file_format: str = "auto",
        tell: Callable[[str], None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._arguments = tuple(str(Path(one).expanduser().absolute()) for one in arguments)
        self._sender, self._positions = sender, positions
        self._format, self._tell, self._clock = file_format, tell, clock
        self._files: dict[Place, FollowedFile] = {}
        self._passed_over: set[Place] = set()
        self._discovered_s = float("-inf")
        self._began = False

    def run(self, on_idle: Callable[[], bool]) -> None:
        """Follow until interrupted, or until `on_idle` (called when nothing was new) returns True."""
        while True:
            moved = self._patiently(self.poll)
            if not moved:
                if on_idle():
                    return
                self._clock.sleep(POLL_S)

    def poll(self) -> bool:
        """Look once at everything; whether anything was new."""
        now_s = self._clock.monotonic_s()
        if now_s - self._discovered_s >= DISCOVER_S:
            self._discover()
            self._discovered_s = now_s
        moved = False
        for place, file in list(self._files.items()):
            moved = file.poll() or moved
            if file.ended:
                file.close()
                del self._files[place]
        return moved

    def stop(self) -> None:
        """Send the lines that are whole and not yet sent, and close everything."""
        files, self._files = self._files, {}
        for file in files.values():
            file.stop()

    def _patiently(self, work: Callable[[], bool]) -> bool:
        """Do it; while the target is away or pushes back, wait and do it again."""
        wait_s = AWAY_FIRST_S
        while True:
            try:
                return work()
            except AWAY as error:
                if wait_s == AWAY_FIRST_S:
                    self._tell(f"waiting: {error}")
                self._clock.sleep(
                    max(wait_s, error.retry_after_s if isinstance(error, OverloadedError) else 0)
                )
                wait_s = min(wait_s * 2, AWAY_MAX_S)

    def _discover(self) -> None:
        """Open what is new among the files that are meant."""
        if not self._began:
            self._find_renamed()
            self._began = True
        for source in find_sources(self._arguments, strict=False):
            try:
                place = place_of(source.path.stat())
                if place not in self._files and place not in self._passed_over:
                    self._meet(source.path, place)
            except OSError as error:  # it may be gone again, or never have been readable
                self._tell(f"{source.path}: {error.strerror or error}")

    def _find_renamed(self) -> None:
        """Files that were followed before and have lost their name since: they may not be read to their end."""
        meant = {*self._arguments, *(str(one.path) for one in find_sources(self._arguments, strict=False))}
        for name in meant.intersection(position.path for position in self._positions.all()):
            self._read_left_behind(Path(name))

    def _meet(self, path: Path, place: Place) -> None:
        """A file that is not open: pass it over, or go on with it where it stands."""
        if reason := why_not(path, any_bytes=self._format != "auto"):
            self._pass_over(place, f"{path}: passed over ({reason})")
            return
        known = self._positions.get(place)
        if known is not None and not self._is_still(known, path):
            self._read_remains(find_remains(known, path, moved=False), known)
            self._positions.forget(place)
            known = None
        if known is None:
            original = find_original(path, self._positions)
            if original is not None:
                self._positions.put(replace(new_position(place, path), print=original.print, done=True))
                self._pass_over(place)
                return
            self._read_left_behind(path)
        elif known.done:
            self._pass_over(place)
            return
        self._open(path, place, known or new_position(place, path))

    def _pass_over(self, place: Place, reason: str = "") -> None:
        self._passed_over.add(place)
        if reason:
            self._tell(reason)

    def _is_still(self, known: Position, path: Path) -> bool:
        """Whether the file at a known place has the content that is known."""
        if known.done:
            return begins_as(head_of_path(path), known.print)
        with path.open("rb") as file:
            handle = file.fileno()
            long_enough = os.fstat(handle).st_size >= known.offset
            return long_enough and same_content(handle, known.print, known.tail, offset=known.offset)

    def _open(self, path: Path, place: Place, position: Position) -> None:
        file = self._followed(path, position)
        if not file.compressed:
            self._files[place] = file
            return
        try:
            file.read_to_end()
        finally:
            file.close()

    def _followed(self, path: Path, position: Position, *, fading: bool = False) -> FollowedFile:
        courier = Courier(
            position,
            self._sender,
            self._positions,
            path=position.path,
            service=service_of(Path(position.path)),
            clock=self._clock,
        )
        return FollowedFile(
            path,
            courier,
            file_format=self._format,
            clock=self._clock,
            on_replaced=self._replaced,
            fading=fading,
        )

    def _replaced(self, position: Position, path: Path) -> Position:
        """A file was cut while it was followed: read what a copy of it has beyond our position, begin anew."""
        self._read_remains(find_remains(position, path, moved=False), position)
        return new_position(Place(position.device, position.inode), Path(position.path))

    def _read_left_behind(self, path: Path) -> None:
        """Finish the files that had this name before, and those that came and went between two looks."""
        now = place_of(path.stat()) if path.exists() else None
        for position in list(self._positions.all()):
            place = Place(position.device, position.inode)
            if position.path != str(path) or position.done or place == now:
                continue
            remains = find_remains(position, path, moved=True)
            if remains is None:
                continue
            if remains.place != place:
                self._read_remains(remains, position)
            elif place not in self._files and remains.path.stat().st_size > position.offset:
                self._files[place] = self._followed(remains.path, position, fading=True)
            for unseen in find_unseen(remains, path, self._positions):
                self._read_remains(unseen, new_position(unseen.place, path))

    def _read_remains(self, remains: Remains | None, position: Position) -> None:
        """Read a file that no longer grows from where `position` stands to its end."""
        if remains is None or remains.place in self._files:
            return
        try:
            file = self._followed(remains.path, position)
            try:
                file.read_to_end()
            finally:
                file.close()
        except AWAY:
            raise
        except (TamisError, OSError) as error:
            self._tell(f"{remains.path}: {error}")
        done = new_position(remains.place, remains.path)
        self._positions.put(replace(done, print=position.print, done=True))


def new_position(place: Place, path: Path) -> Position:
    """Where a file stands that was never seen."""
    return Position(device=place.device, inode=place.inode, path=str(path), id=uuid.uuid4().hex)
