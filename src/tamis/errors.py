"""Every error Tamis raises, in one tree.

::

    TamisError
    ├── ConfigError          a setting is wrong: key, value, source
    ├── DiskError            the disk refused
    │   ├── NoSpaceError     needed and available bytes
    │   ├── LockedError      another process holds the folder
    │   └── JournalClosedError   a failed write or fsync: nothing more is acknowledged
    ├── QueryError           the query's text is wrong: column, suggestion
    ├── StoreError
    │   ├── OverloadedError      try again after retry_after_s
    │   ├── FormatError          written by a newer release, or not by Tamis
    │   ├── ConflictError        one batch id, two contents
    │   ├── DamageError          bytes that are not what was written
    │   ├── QueryTimeoutError    over its time limit
    │   ├── QueryCancelledError
    │   └── QueryTooLargeError   over its memory or row limit
    ├── WireError            input that cannot be decoded at all
    │   └── TooLargeError    over a limit: name, limit
    ├── DeliveryError        a sink did not take a batch
    │   ├── SinkUnavailableError   try again after retry_after_s
    │   └── BatchTooLargeError     try again in halves
    ├── MissingExtraError    a library that only some need is not installed: extra
    ├── KeysError            keys, and what they open
    │   ├── KeyUnavailableError  the key is not to be had: key_id
    │   └── DecryptionError      not what was encrypted, or not in its place
    ├── LedgerError          an entry that no ledger can hold
    ├── IntegrityError       what should be whole is not, or cannot be told to be
    │   ├── ManifestError        a manifest that is not taken, or a path in it
    │   ├── SourceError          a source of files gave no bytes: source, path
    │   │   └── AbsentError      it does not have them; asking it again does not help
    │   └── UnmendedError        files are missing or damaged, and no mirror has them: paths
    ├── BackupError          a backup could not be made, or not be brought back
    │   ├── RepositoryBusyError  others are at work in the repository: holder
    │   └── RolledBackError      a repository shows an older state than one that was seen
    ├── BreakerOpenError     a circuit breaker lets nothing through: name, state, retry_after_s
    ├── CallTimeoutError     a call that a breaker let through on trial gave no answer in time: name, limit_s
    ├── TaskError            an executor has no result of a task: executor, task
    │   ├── TaskRejectedError    not taken, or dropped before it ran: reason
    │   ├── TaskDeadlineError    not done by its deadline: deadline_s
    │   ├── TaskCancelledError   whoever asked no longer wants it
    │   └── TaskCrashedError     it took its worker with it: reason
    └── RemoteError          another server: url, status
        ├── UnreachableError     no answer from there
        └── DeniedError          it does not know the token, or the token may not do this
"""


class TamisError(Exception):
    """The root: catch this to catch everything Tamis raises on purpose."""


class ConfigError(TamisError):
    """A setting has a value it cannot have."""

    def __init__(self, key: str, value: object, source: str, reason: str) -> None:
        self.key, self.value, self.source, self.reason = key, value, source, reason
        super().__init__(f"{key} = {value!r} (from {source}): {reason}")


class DiskError(TamisError):
    """The disk refused an operation."""


class NoSpaceError(DiskError):
    """Not enough room: checked before anything is written."""

    def __init__(self, path: str, needed: int, available: int) -> None:
        self.path, self.needed, self.available = path, needed, available
        super().__init__(
            f"{path}: {needed:,} bytes needed, {available:,} available; free some space or move the folder"
        )


class LockedError(DiskError):
    """Another process has the folder."""

    def __init__(self, path: str, holder: str) -> None:
        self.path, self.holder = path, holder
        super().__init__(f"{path} is in use by {holder}; stop it, or talk to it with --url")


class JournalClosedError(DiskError):
    """A write or fsync of the journal failed: nothing more is acknowledged from it."""


class QueryError(TamisError):
    """The text of a query is wrong at `column` (1-based, in characters)."""

    def __init__(self, reason: str, column: int, suggestion: str | None = None) -> None:
        self.reason, self.column, self.suggestion = reason, column, suggestion
        hint = f" {suggestion}" if suggestion else ""
        super().__init__(f"column {column}: {reason}.{hint}")


class StoreError(TamisError):
    """The store could not do what was asked."""


class OverloadedError(StoreError):
    """The store is behind and pushes back; nothing of the batch was stored."""

    def __init__(self, reason: str, retry_after_s: float) -> None:
        self.reason, self.retry_after_s = reason, retry_after_s
        super().__init__(f"{reason}; try again in {retry_after_s:g} s")


class FormatError(StoreError):
    """The folder or file is not in a format this release reads."""


class ConflictError(StoreError):
    """A batch id came again with other content."""


class DamageError(StoreError):
    """Bytes on disk are not what was written."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


class QueryTimeoutError(StoreError):
    """The query ran past its time limit."""


class QueryCancelledError(StoreError):
    """Whoever asked no longer waits for the answer."""


class QueryTooLargeError(StoreError):
    """The answer would pass a memory or row limit."""


class WireError(TamisError):
    """Input that cannot be decoded at all."""


class TooLargeError(WireError):
    """Input over a limit."""

    def __init__(self, limit_name: str, limit: int) -> None:
        self.limit_name, self.limit = limit_name, limit
        super().__init__(f"over {limit_name} = {limit:,}")


class DeliveryError(TamisError):
    """A sink did not take a batch."""


class SinkUnavailableError(DeliveryError):
    """Nobody knows whether the batch arrived; it may be sent again, under the same id, after `retry_after_s`
    (None: when the caller sees fit). `status` is the HTTP status, 0 when there was no answer.
    """

    def __init__(
        self, sink: str, reason: str, *, retry_after_s: float | None = None, status: int = 0
    ) -> None:
        self.sink, self.reason, self.retry_after_s, self.status = sink, reason, retry_after_s, status
        super().__init__(f"{sink}: {reason}")


class BatchTooLargeError(DeliveryError):
    """The other side takes no batch of this size; halves may pass."""

    def __init__(self, sink: str, reason: str) -> None:
        self.sink, self.reason = sink, reason
        super().__init__(f"{sink}: {reason}")


class MissingExtraError(TamisError):
    """A library that only some need is not installed."""

    def __init__(self, extra: str, what: str) -> None:
        self.extra, self.what = extra, what
        super().__init__(f"{what} needs more libraries: pip install 'tamis[{extra}]'")


class KeysError(TamisError):
    """Keys, and what they open. No message holds key material or plaintext."""


class KeyUnavailableError(KeysError):
    """A key is not to be had; `key_id` names it, empty for the key-encryption key."""

    def __init__(self, reason: str, *, key_id: str = "") -> None:
        self.key_id, self.reason = key_id, reason
        super().__init__(f"key {key_id}: {reason}" if key_id else reason)


class DecryptionError(KeysError):
    """Bytes that are not what was encrypted, or do not stand in the place they were encrypted for."""


class LedgerError(TamisError):
    """An entry that no ledger can hold; nothing was written."""


class IntegrityError(TamisError):
    """What should be whole is not, or nothing is there to tell by."""


class ManifestError(IntegrityError):
    """A manifest that is not taken: torn, foreign, expired, older than one known; or a path in it."""


class SourceError(IntegrityError):
    """A source of files did not give the bytes asked for; another try may."""

    def __init__(self, source: str, path: str, reason: str) -> None:
        self.source, self.path, self.reason = source, path, reason
        super().__init__(f"{source}: {path}: {reason}")


class AbsentError(SourceError):
    """A source does not have a file, or not those bytes; asking it again does not help."""


class UnmendedError(IntegrityError):
    """Files are missing or damaged and could not be had anywhere; `paths` names them."""

    def __init__(self, paths: tuple[str, ...], reason: str) -> None:
        self.paths, self.reason = paths, reason
        super().__init__(reason)


class BackupError(TamisError):
    """A backup could not be made, or not be brought back; the message says what to do."""


class RepositoryBusyError(BackupError):
    """Others are at work in a repository of backups, and this cannot be done beside them."""

    def __init__(self, repository: str, holder: str) -> None:
        self.repository, self.holder = repository, holder
        super().__init__(f"{repository} is in use by {holder}; try again when it is done")


class RolledBackError(BackupError):
    """A repository lacks the newest snapshot that this machine knows, and nobody here pruned it."""


class BreakerOpenError(TamisError):
    """A circuit breaker lets nothing through now. `state` is "open", "half_open" (its trial calls are under way)
    or "hard_open"; `retry_after_s` says when asking again may help, None where only a reset by hand does.
    """

    def __init__(self, name: str, state: str, retry_after_s: float | None) -> None:
        self.name, self.state, self.retry_after_s = name, state, retry_after_s
        if retry_after_s is None:
            advice = "it stays so until it is reset: look at what it guards, then call reset()"
        else:
            advice = f"try again in {retry_after_s:.3g} s"
        super().__init__(f"the circuit breaker of {name} is {state.replace('_', ' ')}; {advice}")


class CallTimeoutError(TamisError, TimeoutError):
    """A call that a half-open circuit breaker let through on trial gave no answer within `limit_s`."""

    def __init__(self, name: str, limit_s: float) -> None:
        self.name, self.limit_s = name, limit_s
        super().__init__(
            f"{name} gave no answer within {limit_s:g} s while its circuit breaker was half open; "
            "it is open again (half_open_call_s sets the limit)"
        )


class TaskError(TamisError):
    """An executor has no result of a task."""

    def __init__(self, executor: str, task: str, sentence: str) -> None:
        self.executor, self.task = executor, task
        super().__init__(f"the task {task} of the executor {executor} {sentence}")


class TaskRejectedError(TaskError):
    """An executor did not take a task, or dropped it before it ran; none of it was done."""

    def __init__(self, executor: str, task: str, reason: str) -> None:
        self.reason = reason
        super().__init__(executor, task, f"was not run: {reason}")


class TaskDeadlineError(TaskError, TimeoutError):
    """A task was not done `deadline_s` after it was enqueued. One that ran already may still be running."""

    def __init__(self, executor: str, task: str, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        super().__init__(
            executor, task, f"was not done within {deadline_s:g} s; give it longer, or enqueue less before it"
        )


class TaskCancelledError(TaskError):
    """Whoever asked for a task no longer wants it."""

    def __init__(self, executor: str, task: str) -> None:
        super().__init__(executor, task, "was cancelled")


class TaskCrashedError(TaskError):
    """A task took its worker with it; the executor goes on with another."""

    def __init__(self, executor: str, task: str, reason: str) -> None:
        self.reason = reason
        super().__init__(executor, task, f"took its worker with it ({reason}); others go on")


class RemoteError(TamisError):
    """Another server did not do what was asked; `status` is its HTTP status, 0 when there was no answer."""

    def __init__(self, url: str, reason: str, *, status: int = 0) -> None:
        self.url, self.reason, self.status = url, reason, status
        super().__init__(f"{url}: {reason}")


class UnreachableError(RemoteError):
    """No answer from the server."""


class DeniedError(RemoteError):
    """The server does not know the token, or the token may not do this."""
