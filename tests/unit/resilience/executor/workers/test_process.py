"""Tasks in processes: what the contract of executors leaves to them."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

from tamis.errors import TaskCancelledError, TaskCrashedError, TaskDeadlineError
from tamis.resilience.executor import ExecutorLimits, TaskExecutor
from tamis.resilience.executor.workers.process import ProcessWorker
from tests.contracts.executor_members import SOON_S, wait_for
from tests.support import executor_work as work
from tests.support.hand_clock import HandClock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is for systems that have it")

SHORT_S = 0.05


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def one(clock: HandClock) -> Iterator[TaskExecutor]:
    """One process, which has a moment to stop by itself."""
    worker = partial(ProcessWorker, grace_s=SHORT_S)
    executor = TaskExecutor("it", ExecutorLimits(workers_max=1), worker=worker, clock=clock)
    yield executor
    executor.drain(SOON_S)


def until(holds: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(int(SOON_S / 0.005)):
        if holds():
            return
        tick.wait(0.005)
    raise AssertionError("it did not come to that")


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_another_process_and_stays_the_same(one: TaskExecutor) -> None:
    """One task after the other in one process."""
    pids = {one.enqueue_task(work.own_pid).result(SOON_S) for _ in range(3)}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_a_process_killed_in_a_task_is_told_and_replaced(one: TaskExecutor) -> None:
    """kill -9: the caller has an error that names the signal, the next task a new process."""
    before = one.enqueue_task(work.own_pid).result(SOON_S)
    with pytest.raises(
        TaskCrashedError, match=rf"its process {before} was ended by SIGKILL \(short of memory\?\)"
    ):
        one.enqueue_task(work.kill_itself).result(SOON_S)
    assert one.enqueue_task(work.own_pid).result(SOON_S) != before
    assert one.metrics().counts.crashed == 1


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_process_that_forked_is_missed_when_it_is_killed(
    tmp_path: Path, method: Literal["spawn", "forkserver"]
) -> None:
    """Though a process that it left behind holds its end of the pipe, and lives on."""
    worker = partial(ProcessWorker, grace_s=SOON_S, method=method)
    left = tmp_path / "left"
    try:
        with TaskExecutor("it", ExecutorLimits(workers_max=1), worker=worker) as executor:
            with pytest.raises(TaskCrashedError, match="SIGKILL"):
                executor.enqueue_task(work.leave_a_child, left).result(SOON_S)
            assert is_there(int(left.read_text(encoding="ascii")))
            assert executor.enqueue_task(work.own_pid).result(SOON_S) != os.getpid()
    finally:
        os.kill(int(left.read_text(encoding="ascii")), signal.SIGKILL)


def test_a_process_killed_between_tasks_is_replaced_unnoticed(one: TaskExecutor) -> None:
    """Nothing had begun, so nothing is lost."""
    before = one.enqueue_task(work.own_pid).result(SOON_S)
    os.kill(before, signal.SIGKILL)
    assert one.enqueue_task(work.own_pid).result(SOON_S) != before
    assert one.metrics().counts.crashed == 0


@pytest.mark.parametrize("way", ["cancel", "deadline"])
def test_what_hangs_is_ended(one: TaskExecutor, clock: HandClock, tmp_path: Path, way: str) -> None:
    """It listens to nobody, and its process is gone after the moment that it had."""
    entered = tmp_path / "entered"
    handle = one.enqueue_task(work.sleep_on, entered, deadline_s=5.0 if way == "deadline" else None)
    until(lambda: entered.exists() and bool(entered.read_text(encoding="ascii")))
    pid = int(entered.read_text(encoding="ascii"))
    if way == "cancel":
        assert not handle.cancel()
    else:
        clock.pass_s(6)
        assert one.metrics().counts.expired == 1
    with pytest.raises(TaskCancelledError if way == "cancel" else TaskDeadlineError):
        handle.result(SOON_S)
    assert one.enqueue_task(work.own_pid).result(SOON_S) != pid
    assert not is_there(pid)


def test_what_cannot_travel_is_told(one: TaskExecutor) -> None:
    """A lambda, or a result that no process can send: the caller hears it, and the process stays."""
    before = one.enqueue_task(work.own_pid).result(SOON_S)
    with pytest.raises(TypeError, match="give it a function of a module"):
        one.enqueue_task(lambda: 1).result(SOON_S)
    with pytest.raises(TypeError, match="return plain values"):
        one.enqueue_task(work.unsendable).result(SOON_S)
    assert one.enqueue_task(work.own_pid).result(SOON_S) == before
    assert one.metrics().counts.failed == 2


def test_an_error_brings_its_traceback(one: TaskExecutor) -> None:
    """As a note, with the process and the lines there."""
    with pytest.raises(Exception, match="must be blue") as failed:
        one.enqueue_task(work.run, work.fail).result(SOON_S)
    assert "in fail" in failed.value.__notes__[0]


def test_errors_bring_their_facts(one: TaskExecutor, tmp_path: Path) -> None:
    """What built-in errors keep outside of their dictionary, slots, and what a class says itself."""
    missing = str(tmp_path / "missing")

    def raised(kind: str) -> Any:
        return one.enqueue_task(work.raise_one, kind, missing).exception(SOON_S)

    file, text, module, syntax = raised("file"), raised("text"), raised("module"), raised("syntax")
    assert isinstance(file, FileNotFoundError)
    assert (file.filename, file.errno, missing in str(file)) == (missing, errno.ENOENT, True)
    assert isinstance(text, UnicodeDecodeError)
    assert (text.object, text.start, "position 2" in str(text)) == (b"ab\xff", 2, True)
    assert (type(module), module.name) == (ModuleNotFoundError, "no_such_module_here")
    assert (type(syntax), syntax.lineno, syntax.filename) == (SyntaxError, 1, "f.py")
    assert (type(stop := raised("stop")), stop.value) == (StopIteration, 5)
    assert (type(slots := raised("slots")), slots.code, str(slots)) == (work.SlottedError, 7, "7: why")
    assert (type(attribute := raised("attribute")), attribute.name) == (AttributeError, "colour")
    assert (type(form := raised("form")), form.colour) == (work.FormedError, "red")
    assert (type(odd := raised("odd")), odd.args) == (work.OddError, ("x",))
    assert "in raise_one" in odd.__notes__[0]


def test_a_result_that_cannot_be_read_is_no_crash(one: TaskExecutor) -> None:
    """Whatever reading it raises is the caller's, and the process stays."""
    before = one.enqueue_task(work.own_pid).result(SOON_S)
    with pytest.raises(EOFError, match="unreadable here"):
        one.enqueue_task(work.unreadable).result(SOON_S)
    assert one.enqueue_task(work.own_pid).result(SOON_S) == before
    assert one.metrics().counts.crashed == 0


def test_each_process_is_prepared(tmp_path: Path) -> None:
    """Before its first task, once; where that fails, the tasks say why."""

    def of(prepare: Any) -> TaskExecutor:
        return TaskExecutor(
            "it", ExecutorLimits(workers_max=1), worker=partial(ProcessWorker, prepare=prepare)
        )

    with of(work.prepare) as executor:
        assert [executor.enqueue_task(work.prepared).result(SOON_S) for _ in range(2)] == [["prepared"]] * 2
    with of(work.refuse_to_begin) as executor, pytest.raises(TaskCrashedError, match="no model here"):
        executor.enqueue_task(work.own_pid).result(SOON_S)


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """However that ends: after kill -9 of the parent no process stays, though it hangs."""
    entered, program = tmp_path / "entered", tmp_path / "program.py"
    program.write_text(PARENT, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, str(program), str(entered)], cwd=Path(__file__).parents[5])
    try:
        wait_for(entered)
        until(lambda: bool(entered.read_text(encoding="ascii")))
    finally:
        parent.kill()
        parent.wait(SOON_S)
    until(lambda: not is_there(int(entered.read_text(encoding="ascii"))))


def test_processes_end_with_the_executor(one: TaskExecutor) -> None:
    """None is left behind."""
    pid = one.enqueue_task(work.own_pid).result(SOON_S)
    one.drain(SOON_S)
    until(lambda: not is_there(pid))


PARENT = """
import sys
from pathlib import Path

sys.path.insert(0, ".")

from tamis import TaskExecutor
from tamis.resilience.executor.workers.process import ProcessWorker
from tests.support.executor_work import sleep_on

if __name__ == "__main__":
    TaskExecutor("it", worker=ProcessWorker).enqueue_task(sleep_on, Path(sys.argv[1])).result()
"""
