"""Arrow's threads: made before background work begins, so that they are not as nice as that."""

import pyarrow as pa

_CHUNKS_EACH = 8


def spawn_threads() -> None:
    """Have Arrow make the threads of its processor pool now.

    It makes them when work first comes, and a thread is as nice as the one that made it: made by a nice one they would
    give way to others for good, also when they work for who asks.
    """
    values = pa.chunked_array([pa.array([0])] * (_CHUNKS_EACH * pa.cpu_count()))
    pa.table({"value": values}).group_by("value").aggregate([("value", "count")])
