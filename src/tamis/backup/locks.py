"""Locks in a repository: whoever adds or reads may do so beside others, who removes is alone.

A lock is an object that its holder refreshes. One that was not refreshed for `EXPIRY_S` counts as left by the dead, and
so does one whose process on this machine is gone. Because clocks differ and machines sleep, nothing relies on a lock
alone: whoever adds looks for its own lock before it finishes and for all it refers to after (see `create`); whoever
removes looks before it begins to remove.
"""

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import msgspec

from tamis.backup.target import AbsentObjectError, Target
from tamis.clock import NS_PER_S, Clock
from tamis.errors import BackupError, DiskError, RepositoryBusyError

Mode = Literal["shared", "alone"]
EXPIRY_S: Final = 1_800.0
REFRESH_S: Final = 60.0
_FIRST_S, _LONGEST_S = 0.05, 5.0


class LockNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a lock says: who holds it, for what, and when it was refreshed."""

    mode: Mode
    purpose: str
    host: str
    system: str
    """The run of the system and its space of process ids: only within one do numbers of processes compare."""
    pid: int
    begun: str
    refreshed_ns: int

    @property
    def holder(self) -> str:
        """For people."""
        return f"process {self.pid} on {self.host} ({self.purpose})"


class Lock:
    """A lock that is held, refreshed by a thread until `release`."""

    def __init__(self, target: Target, note: LockNote, clock: Clock) -> None:
        self._target, self._note, self._clock = target, note, clock
        self.name = f"locks/{secrets.token_hex(16)}.json"
        self._ended = threading.Event()
        self._lost = False
        self._refreshed_s = clock.monotonic_s()
        self._write()
        self._thread = threading.Thread(target=self._refresh, name="tamis-backup-lock", daemon=True)

    def keep(self) -> None:
        """Refresh it from now on."""
        self._thread.start()

    def require(self) -> None:
        """BackupError when it is no longer there: this process slept so long that others took it for dead."""
        try:
            self._target.get(self.name)
        except AbsentObjectError:
            raise BackupError(
                f"{self._target.name}: the lock of this process was removed while it slept; run it again"
            ) from None

    def release(self) -> None:
        """Let others have the repository. Idempotent."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(DiskError):  # it expires
            self._target.delete(self.name)

    def _write(self) -> None:
        note = msgspec.structs.replace(self._note, refreshed_ns=self._clock.now_ns())
        self._target.put(self.name, [msgspec.json.encode(note)])

    def _refresh(self) -> None:
        while not self._ended.wait(REFRESH_S):
            with suppress(DiskError, BackupError):  # the next one may work; who needs the lock asks for it
                self._target.get(self.name)
                self._write()


@contextmanager
def hold(
    target: Target,
    mode: Mode,
    *,
    purpose: str,
    clock: Clock,
    wait_s: float,
    going_on: Callable[[], object] = lambda: None,
) -> Iterator[Lock]:
    """Hold a lock while the context lasts; RepositoryBusyError when others do not let go within `wait_s`.

    Each writes its own lock, then looks for others': of two at once at least one sees the other. `going_on` is called
    while waiting, and may raise.
    """
    lock = _take(target, mode, purpose=purpose, clock=clock, wait_s=wait_s, going_on=going_on)
    try:
        lock.keep()
        yield lock
    finally:
        lock.release()


@contextmanager
def hold_to_read(
    target: Target, *, purpose: str, clock: Clock, wait_s: float, going_on: Callable[[], object]
) -> Iterator[None]:
    """A shared lock for who only reads; none where nothing can be written (a disk that is mounted to be read only)."""
    with ExitStack() as held:
        with suppress(_ReadOnlyError):
            held.enter_context(
                hold(target, "shared", purpose=purpose, clock=clock, wait_s=wait_s, going_on=going_on)
            )
        yield


class _ReadOnlyError(DiskError):
    """The lock itself could not be written."""


def _take(
    target: Target, mode: Mode, *, purpose: str, clock: Clock, wait_s: float, going_on: Callable[[], object]
) -> Lock:
    deadline, pause = clock.monotonic_s() + wait_s, _FIRST_S
    while True:
        going_on()
        try:
            lock = Lock(target, _own_note(mode, purpose, clock), clock)
        except DiskError as error:
            raise _ReadOnlyError(str(error)) from error
        try:
            other = in_the_way(target, mode, lock.name, now_ns=clock.now_ns())
        except BaseException:
            lock.release()
            raise
        if other is None:
            return lock
        lock.release()
        if clock.monotonic_s() >= deadline:
            raise RepositoryBusyError(target.name, other.holder)
        clock.sleep(pause * (0.5 + secrets.randbelow(1_000) / 1_000))
        pause = min(2 * pause, _LONGEST_S)


def in_the_way(target: Target, mode: Mode, own: str, *, now_ns: int) -> LockNote | None:
    """A living lock of somebody else that does not go with ours. Those of the dead are removed."""
    for listed in list(target.list("locks")):
        if listed.name == own:
            continue
        note = _read(target, listed.name)
        if note is None:
            continue
        if is_dead(note, now_ns=now_ns):
            target.delete(listed.name)
        elif mode == "alone" or note.mode == "alone":
            return note
    return None


def is_dead(note: LockNote, *, now_ns: int) -> bool:
    """Whether a lock's holder is gone: it did not refresh it, or its process here is no more."""
    if now_ns - note.refreshed_ns > EXPIRY_S * NS_PER_S:
        return True
    ours = note.host == socket.gethostname() and note.system == _system() != ""
    return ours and _begun(note.pid) != note.begun


def _read(target: Target, name: str) -> LockNote | None:
    """A lock's note; one that cannot be read counts as a stranger's, and as refreshed never."""
    try:
        return msgspec.json.decode(target.get(name), type=LockNote)
    except AbsentObjectError:
        return None
    except msgspec.MsgspecError:
        return LockNote(
            mode="alone", purpose="unreadable", host="?", system="", pid=0, begun="", refreshed_ns=0
        )


def _own_note(mode: Mode, purpose: str, clock: Clock) -> LockNote:
    pid = os.getpid()
    return LockNote(
        mode=mode, purpose=purpose, host=socket.gethostname(), system=_system(), pid=pid, begun=_begun(pid),
        refreshed_ns=clock.now_ns(),
    )  # fmt: skip


def _system() -> str:
    """Empty where nobody can say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _begun(pid: int) -> str:
    """When a process here was started, in ticks since the system was; empty when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in ("Z", "X") else ""
