"""`EncryptionHandler`: what is sensitive is masked, hashed or encrypted before it goes on."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from tamis.embed.handlers.base import PipelineHandler
from tamis.embed.handlers.forward import HandlerSink
from tamis.embed.handlers.wrapped import find_wrapped
from tamis.pipeline.base import AT_ONCE, Batch, Outcome, Sink
from tamis.pipeline.processors.encrypt import modes_from
from tamis.settings import EncryptSettings


class EncryptionHandler(PipelineHandler):
    """Secures records, and hands them to another handler, or to sinks.

    `mode` is for every kind of sensitive data: ``mask``, ``hash`` or ``encrypt`` (the default); a kind's own setting
    (`encrypt_email="hash"`, `TAMIS_ENCRYPT_EMAIL`) says otherwise for that kind. Keys and audit are those of the
    settings (`keys_keyring`, `audit_ledger` …); `tamis decrypt` opens what was encrypted. In `dictConfig`, `handler`
    is `cfg://handlers.<name>` or stands there whole. ConfigError names a setting that is wrong.
    """

    def __init__(
        self,
        handler: logging.Handler | None = None,
        *,
        sinks: Iterable[str | Sink] | str | None = None,
        mode: str | None = None,
        level: int | str = logging.NOTSET,
        **settings: Any,
    ) -> None:
        modes = {f"encrypt_{kind}": mode for kind in modes_from(EncryptSettings())} if mode else {}
        named = [] if sinks is None else [sinks] if isinstance(sinks, str) else list(sinks)
        if handler is None and not named:
            raise TypeError("EncryptionHandler needs a handler or sinks to hand records to")
        targets = [] if handler is None else [_Target(find_wrapped(handler))]
        super().__init__([*targets, *named], level=level, **{"encrypt_enabled": True, **modes, **settings})


class _Target:
    """The wrapped handler as a sink; looked up at each batch, since `dictConfig` may make it later."""

    limits = AT_ONCE
    spooled = False

    def __init__(self, find: Callable[[], logging.Handler]) -> None:
        self._find = find
        self.name = f"handler {id(self):x}"

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        """Hand each record over."""
        return HandlerSink(self._find()).send(batch, timeout_s=timeout_s)

    def close(self) -> None:
        """Flush the handler; who made it closes it."""
        self._find().flush()
