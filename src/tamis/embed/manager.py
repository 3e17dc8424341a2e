"""`LoggingManager`: the one place of a process where loggers, pipeline and standard `logging` are put together."""

import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

from tamis.embed.config import LoggingConfig
from tamis.embed.exchange import exchange
from tamis.embed.exit import at_child_exit, at_exit, at_sigterm, not_at_exit
from tamis.embed.install import give_back, install, uninstall
from tamis.embed.origin import origin_of
from tamis.embed.outlet import DIAGNOSTICS, OUTLET
from tamis.errors import ConfigError
from tamis.pipeline.base import Processor, Sink
from tamis.pipeline.build import build_dispatcher
from tamis.pipeline.captured import Captured, Origin
from tamis.pipeline.dispatcher import Dispatcher, held
from tamis.pipeline.fork import watch_forks
from tamis.pipeline.health import Health
from tamis.pipeline.metrics import LogMetrics


class Pipeline(Protocol):
    """What the manager asks of a pipeline; `tamis.pipeline.dispatcher.Dispatcher` is one."""

    metrics: LogMetrics

    def put(self, captured: Captured, /) -> object:
        """Take a record; lock-free."""
        ...

    def put_own(self, captured: Captured, /) -> object:
        """A record that was logged within the pipeline's own work: told, never taken."""
        ...

    def flush(self, timeout_s: float, /) -> bool:
        """Wait until everything put so far is delivered or safe in the spool; whether it was in time."""
        ...

    def close(self, timeout_s: float, /) -> bool:
        """Deliver what waits, in this thread, and let go; what is put afterwards is written at once."""
        ...

    def health(self) -> Health:
        """How it is; never waits."""
        ...


Build = Callable[[LoggingConfig, Origin], Pipeline]


class LoggingManager:
    """One for each process: `LoggingManager()` is always the same object, wholly initialised before anybody gets
    it, also when many threads ask at once. It owns the configuration, the pipeline, and what was changed in
    standard `logging`. A configuration given to it while there is one replaces that, and loses no record.
    """

    _one: "LoggingManager | None" = None
    _lock = threading.RLock()

    config: LoggingConfig
    origin: Origin

    def __new__(cls, config: LoggingConfig | None = None, *, build: Build | None = None) -> "LoggingManager":
        """The manager of this process; made when there is none, or the last was shut down."""
        with cls._lock:
            manager = LoggingManager._one
            if manager is None or manager._is_shut_down:
                fresh = object.__new__(cls)
                fresh._start(config or LoggingConfig(), build or build_pipeline)
                LoggingManager._one = fresh
                return fresh
            if config is not None:
                manager._replace(config)
            return manager

    def _start(self, config: LoggingConfig, build: Build) -> None:
        self._build, self._is_shut_down, self._is_exit_arranged = build, False, False
        self.origin = origin_of(config.log.service)
        self._pipeline = build(config, self.origin)
        self.config = config
        self._connect()
        watch_forks(self)
        at_exit(self)
        for warning in config.settings.warnings:
            DIAGNOSTICS.tell(warning, warning)

    def _connect(self) -> None:
        """Let loggers put into the pipeline, by one assignment."""
        log = self.config.log
        OUTLET.put, OUTLET.put_own = self._pipeline.put, self._pipeline.put_own
        OUTLET.lose = self._pipeline.metrics.lose
        install(log.level, log.code_level)
        if log.sigterm and not self._is_exit_arranged:
            self._is_exit_arranged = at_sigterm(self)

    def _replace(self, config: LoggingConfig) -> None:
        """Another configuration; in place where that is possible, so that records stay in one order."""
        before, pipeline = self.config, self._pipeline
        if isinstance(pipeline, Dispatcher) and exchange(pipeline, before, config):
            self.config = config
            self._connect()
            return
        self.origin = origin_of(config.log.service)
        self._pipeline = fresh = self._build(config, self.origin)
        self.config = config
        with held(fresh) if isinstance(fresh, Dispatcher) else nullcontext():
            self._connect()
            pipeline.close(config.log.exit_s)

    @property
    def metrics(self) -> LogMetrics:
        """What became of the records so far."""
        return self._pipeline.metrics

    def health(self) -> Health:
        """Whether records get through; see `tamis.pipeline.dispatcher.Health`."""
        return self._pipeline.health()

    @property
    def pipeline(self) -> Pipeline:
        """Where loggers put their records now."""
        return self._pipeline

    def change(self, **given: Any) -> None:
        """Change settings while records go on: level, sampling, sinks; what is not given stays."""
        with self._lock:
            config = self.config.changed(**given)
            if set(given) <= _LEVELS:
                self.config = config
                self._connect()
            else:
                self._replace(config)

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait at most `timeout` seconds until every record so far is delivered, or safe in the spool."""
        return self._pipeline.flush(timeout)

    def shutdown(self, timeout: float | None = None) -> bool:
        """Deliver what waits, and give loggers back; whether all was done in time. What is logged later is written
        at once, by whoever logs it."""
        with self._lock:
            if self._is_shut_down:
                return True
            self._is_shut_down = True
            give_back()
            return self._pipeline.close(self.config.log.exit_s if timeout is None else timeout)

    def uninstall(self) -> None:
        """Shut down, and leave standard `logging` as it was before."""
        self.shutdown()
        not_at_exit(self)
        uninstall()
        with self._lock:
            if LoggingManager._one is self:
                LoggingManager._one = None

    def after_fork(self) -> None:
        """The child is another process: it has an origin of its own. The pipeline starts anew by itself."""
        self.origin = origin_of(self.config.log.service)
        at_child_exit(self)

    def deliver_at_exit(self) -> None:
        """Deliver what waits, in this thread; what is logged later is written at once."""
        self._pipeline.close(self.config.log.exit_s)


class _FreeLock:
    """In a forked child the lock is free, whoever held it, also when there is no manager yet."""

    def after_fork(self) -> None:
        LoggingManager._lock = threading.RLock()


_FREE_LOCK = _FreeLock()
watch_forks(_FREE_LOCK)

_LEVELS = frozenset(("level", "code_level"))


def build_pipeline(config: LoggingConfig, origin: Origin) -> Pipeline:
    """The pipeline of a configuration, not yet running."""
    return build_dispatcher(config.settings, config.sinks, config.processors, origin)


def configure(
    config: LoggingConfig | None = None,
    /,
    *,
    service: str | None = None,
    sinks: Iterable[str | Sink] | str | None = None,
    level: str | int | None = None,
    processors: Iterable[Processor] = (),
    toml_path: Path | str | None = None,
    **settings: Any,
) -> LoggingManager:
    """Set logging up for this process, or set it up anew; standard `logging` goes the same way from here on.

    `settings` are those of `LoggingConfig`, which also says what wins. ConfigError names what is wrong, and then
    everything stays as it was.
    """
    if config is not None and not isinstance(config, LoggingConfig):
        raise ConfigError("config", config, "argument", "is no LoggingConfig; a name is given as service=…")
    if config is None:
        config = LoggingConfig(
            service=service, sinks=sinks, level=level, processors=processors, toml_path=toml_path, **settings
        )
    elif service or sinks or level or settings:
        config = config.changed(service=service, sinks=sinks, level=level, **settings)
    return LoggingManager(config)


def flush(timeout: float = 5.0) -> bool:
    """Wait at most `timeout` seconds until every record so far is delivered or spooled; True when it is, or
    nothing was configured. TypeError when `timeout` is no number."""
    if not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds, not {timeout!r}")
    manager = LoggingManager._one
    return manager is None or manager.flush(timeout)


def shutdown(timeout: float | None = None) -> bool:
    """Deliver what waits, in this thread, within the time given (`log.exit_s` by default)."""
    manager = LoggingManager._one
    return manager is None or manager.shutdown(timeout)
