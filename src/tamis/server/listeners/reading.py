"""What holds for everything that a listener reads."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tamis.clock import Clock
from tamis.server.listeners.allowed import Networks
from tamis.settings import ListenerSettings
from tamis.wire.frames import Frames


@dataclass(frozen=True, slots=True)
class Reading:
    """How a listener reads, and from whom. `frames` takes a connection's bytes apart; `http` makes what takes HTTP
    over. None refuses it: a browser that a page sends here must not write records."""

    frames: Callable[[], Frames]
    limits: ListenerSettings
    networks: Networks
    clock: Clock
    http: Callable[[], asyncio.Protocol] | None = None
