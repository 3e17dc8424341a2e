"""How records are shown while they come."""

from dataclasses import dataclass

from tamis.settings.fields import seconds, size, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class TailSettings:
    """Live tails: who may watch, and how far they may fall behind."""

    viewers_max: int = whole(2_000, "Live tails at a time; more are answered 429.", least=1)
    queries_max: int = whole(
        200, "Different queries that live tails ask at a time; one more is answered 429.", least=1
    )
    buffer_bytes: int = size(
        "2MiB",
        "What is kept of each query's newest records for viewers who are slow; who is slower misses some, and is told.",
        least=65_536,
    )
    interval_s: float = seconds("100ms", "How often live tails look for what came.", least=0.01)
    status_viewers_max: int = whole(50, "Status streams at a time; more are answered 429.", least=1)
    heartbeat_s: float = seconds(
        "15s", "How often a live tail says that it is there, where nothing comes.", least=0.1
    )
