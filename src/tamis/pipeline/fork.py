"""After a fork: everything that holds threads, queues or files starts anew in the child."""

import os
import weakref
from typing import Protocol


class Forked(Protocol):
    """Something that a fork would leave half there."""

    def after_fork(self) -> None:
        """In the child, on its only thread: forget what belongs to the parent (threads, what was queued, open
        files, locks in any state) without touching it, and start anew at first use. Must not log.
        """
        ...


_WATCHED: dict[int, "weakref.ref[Forked]"] = {}


def watch_forks(owner: Forked) -> None:
    """Call `owner.after_fork` in each child, for as long as the owner lives; in the order of watching."""
    key = id(owner)

    def forget(_reference: "weakref.ref[Forked]") -> None:
        _WATCHED.pop(key, None)

    _WATCHED[key] = weakref.ref(owner, forget)


def _after_fork() -> None:
    failures: list[Exception] = []
    for reference in list(_WATCHED.values()):
        owner = reference()
        if owner is not None:
            try:
                owner.after_fork()
            except Exception as error:  # one owner's trouble must not leave others with the parent's locks
                failures.append(error)
    if failures:
        raise failures[0]  # Python writes it to stderr, and goes on


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
