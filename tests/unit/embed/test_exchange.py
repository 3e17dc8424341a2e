"""Other sinks for a pipeline that goes on, and what a fork or a mistake in the middle leaves behind."""

import gc
import logging
import os
import threading
import weakref
from collections.abc import Iterator

import pytest

import tamis
from tamis.embed.manager import LoggingManager
from tamis.errors import ConfigError
from tamis.pipeline.sinks.memory import MemorySink


@pytest.fixture(autouse=True)
def _nothing_configured() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers)
    yield
    if LoggingManager._one is not None:
        LoggingManager._one.uninstall()
    root.handlers[:] = before


def test_sinks_before_a_wrong_one_are_not_counted() -> None:
    """A change of sinks fails at the second: the first was never there, and has no counts."""
    manager = tamis.configure(service="shop", sinks=[MemorySink(name="one")])
    with pytest.raises(ConfigError):
        tamis.configure(service="shop", sinks=[MemorySink(name="two"), "nonsense://there"])
    tamis.get_logger("shop").warning("still here")
    assert manager.flush(5)
    assert list(manager.metrics.snapshot().sinks) == ["one"]


def test_a_child_forked_while_another_thread_configures_can_configure() -> None:
    """The lock that the parent's thread held at the fork is free in the child, also when there is no manager yet."""
    held, done = threading.Event(), threading.Event()

    def configure() -> None:
        with LoggingManager._lock:
            held.set()
            done.wait(10)

    thread = threading.Thread(target=configure)
    thread.start()
    assert held.wait(10)
    child = os.fork()
    if child == 0:  # pragma: no cover -- in the child
        os._exit(0 if LoggingManager._lock.acquire(timeout=2) else 1)
    assert os.waitpid(child, 0)[1] == 0
    done.set()
    thread.join()


def test_a_manager_that_was_uninstalled_is_forgotten() -> None:
    """Nothing keeps it: neither the end of the process nor forks have anything to do for it."""
    gone = weakref.ref(tamis.configure(service="shop", sinks=[MemorySink(name="one")]))
    manager = gone()
    assert manager is not None
    manager.uninstall()
    del manager
    gc.collect()
    assert gone() is None
