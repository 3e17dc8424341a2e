"""The worker that works in place, on the executor's own thread."""

from collections.abc import Callable
from typing import Any


class ThreadWorker:
    """Works in place. Lost by what is no `Exception` (SystemExit, KeyboardInterrupt): such ends a thread."""

    def __init__(self) -> None:
        self.is_lost = False

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What `function(*args, **kwargs)` returns or raises."""
        try:
            return function(*args, **kwargs)
        except Exception:
            raise
        except BaseException:
            self.is_lost = True
            raise

    def close(self) -> None:
        """It holds nothing."""
