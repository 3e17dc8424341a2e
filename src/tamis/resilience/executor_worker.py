"""What does a task's work: the contract of workers, and the one that does it on the executor's own thread."""

from collections.abc import Callable
from typing import Any, Protocol


class Worker(Protocol):
    """Does one task after the other for one thread of an executor, which alone calls it.

    `run` returns or raises what the function does. `is_lost` says after an error that the worker is of no use any
    more (its process died): the task is then told as crashed, and another worker takes its place. `close` ends what
    the worker holds, also when it is lost; nothing is running then. A member that works in another process takes
    only what can be sent there.
    """

    @property
    def is_lost(self) -> bool:
        """Whether the last task took the worker with it."""
        ...

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What `function(*args, **kwargs)` returns or raises."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


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
