"""`LoggingConfig`: what an application's logging is to be, resolved from all sources."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tamis.errors import ConfigError
from tamis.pipeline.base import Processor, Sink
from tamis.settings import LogSettings, Settings, load_settings
from tamis.settings.table import TABLE

PIPELINE_PARTS = ("log", "spool", "sample", "suppress", "redact", "encrypt", "keys", "audit", "alert")
"""The parts of the settings that may be given to `configure`."""


class LoggingConfig:
    """The one configuration: argument, then environment, then TOML file, then default.

    `settings` go by the name of a field of part `log` (`queue_records_max=…`), or part and field
    (`redact_keys=…`). `sinks` are names, URLs, or objects with `tamis.pipeline.base.Sink`'s methods; `processors`
    are further steps of the chain, before redaction. ConfigError names key, value and source of what is wrong.
    Immutable; `changed` makes another.
    """

    __slots__ = ("_given", "processors", "settings", "sinks")

    _given: Mapping[str, Any]
    settings: Settings
    sinks: tuple[str | Sink, ...]
    processors: tuple[Processor, ...]

    def __init__(
        self,
        *,
        sinks: Iterable[str | Sink] | str | None = None,
        processors: Iterable[Processor] = (),
        toml_path: Path | str | None = None,
        environ: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        given = {"sinks": sinks, "processors": tuple(processors), "toml_path": toml_path, "environ": environ}
        objects, names = _split_sinks(sinks)
        arguments = {
            _key_of(name, value): _plain(name, value) for name, value in settings.items() if value is not None
        }
        if names is not None:
            arguments["log.sinks"] = names
        path = Path(toml_path) if toml_path is not None else None
        loaded = load_settings(arguments, environ, path)
        _set(self, "_given", {**given, **settings})
        _set(self, "settings", loaded)
        _set(self, "processors", tuple(processors))
        _set(self, "sinks", objects if objects is not None else loaded.log.sinks)

    def __setattr__(self, name: str, _value: object) -> None:
        raise AttributeError(f"LoggingConfig is immutable; use changed({name}=…)")

    def __repr__(self) -> str:
        rows = (row for row in self.settings.resolved() if row.source != "default")
        return f"LoggingConfig({', '.join(f'{row.key}={row.value!r}' for row in rows)})"

    @property
    def log(self) -> LogSettings:
        """The settings of part `log`."""
        return self.settings.log

    def changed(self, **given: Any) -> "LoggingConfig":
        """The same, but for what is given; all sources are read again."""
        return LoggingConfig(**{**self._given, **given})


def _set(config: LoggingConfig, name: str, value: object) -> None:
    object.__setattr__(config, name, value)


def _split_sinks(
    sinks: Iterable[str | Sink] | str | None,
) -> tuple[tuple[str | Sink, ...] | None, str | list[str] | None]:
    """The sinks as they are when one is an object, else their names for the settings."""
    if sinks is None or isinstance(sinks, str):
        return None, sinks
    items = tuple(sinks)
    names = [item for item in items if isinstance(item, str)]
    return (None, names) if len(names) == len(items) else (items, None)


def _plain(name: str, value: object) -> object:
    """`durable=True` is the usual one of its values, False none."""
    if name == "durable" and isinstance(value, bool):
        return "process" if value else "off"
    return value


def _key_of(name: str, value: object) -> str:
    """The key of a setting given as an argument."""
    keys = [f"log.{name}", *(f"{part}.{name.removeprefix(f'{part}_')}" for part in PIPELINE_PARTS)]
    for key in keys:
        part, _, field = key.partition(".")
        if key in TABLE and (part == "log" or name == f"{part}_{field}"):
            return key
    known = sorted(
        key.removeprefix("log.").replace(".", "_") for key in TABLE if key.split(".")[0] in PIPELINE_PARTS
    )
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    hint = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
    raise ConfigError(name, value, "argument", f"no such setting{hint}")
