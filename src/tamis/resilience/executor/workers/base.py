"""The contract of workers."""

from collections.abc import Callable
from typing import Any, Protocol


class Worker(Protocol):
    """Does one task after the other for one thread of an executor, which alone calls it, and made it.

    `run` returns or raises what the function does; inside of it `current_task()` is the task, whose `on_stop` says
    when nobody waits for it any more. `is_lost` says after an error that the worker is of no use any more (its
    process died): another takes its place, and the task is told as crashed, unless it had been told to stop. `close`
    ends what the worker holds, also when it is lost; nothing is running then. A member that works in another process
    takes only what can be sent there.
    """

    is_lost: bool
    """Whether the last task took the worker with it."""

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What `function(*args, **kwargs)` returns or raises."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...
