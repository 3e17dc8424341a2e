"""A corpus moved in time: the same lines, with the times that a measurement wants."""

from typing import Any

import numpy as np

HEAD = len('{"timestamp":"')
STAMP = len("2026-11-21T00:00:00.000")
Instants = np.ndarray[Any, np.dtype[np.int64]]


def instants(body: bytes | memoryview) -> Instants:
    """The time of each line, in milliseconds since 1970."""
    stamps, _ = _stamps(np.frombuffer(body, np.uint8))
    texts = np.ascontiguousarray(stamps).view(f"S{STAMP}").ravel().astype(str)
    found: Instants = texts.astype("datetime64[ms]").astype(np.int64)
    return found


def with_times(body: bytes | memoryview, times_ms: Instants) -> bytes:
    """The lines with these times."""
    data = np.frombuffer(body, np.uint8).copy()
    texts = np.datetime_as_string(times_ms.astype("datetime64[ms]")).astype(f"S{STAMP}")
    _, places = _stamps(data)
    data[places] = texts.view(np.uint8).reshape(-1, STAMP)
    return data.tobytes()


def _stamps(data: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[Any, Any]:
    """The characters of each line's time, and where they stand."""
    ends = np.flatnonzero(data == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    places = starts[:, None] + np.arange(HEAD, HEAD + STAMP)
    return data[places], places
