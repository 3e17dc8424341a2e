"""Reports that wait their turn: the urgent first, no more than fit, in a process that may hang, crash or be killed.

python examples/wait_its_turn.py
"""

import sys
from functools import partial

import tamis
from tamis.errors import TaskCrashedError, TaskDeadlineError, TaskRejectedError
from tamis.resilience.executor import DropPolicy, ExecutorLimits, Priority, current_task
from tamis.resilience.executor.workers.process import ProcessWorker


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")


def report(day: int) -> str:
    """A long piece of work, which looks now and then whether anybody still waits for it."""
    task, total = current_task(), 0
    for hour in range(24):
        if task is not None:
            task.check()
        total += (day * hour) % 7
    return f"day {day}: {total} orders"


def main() -> None:
    """Ask for a month of reports, and for one at once."""
    limits = ExecutorLimits(waiting_max=20, workers_max=1, drop=DropPolicy.LOW, ageing_s=30)
    with tamis.TaskExecutor("reports", limits, worker=partial(ProcessWorker, nice=10)) as executor:
        month = []
        for day in range(1, 31):
            try:
                month.append(
                    executor.enqueue_task(report, day, priority=Priority.LOW, name=f"report of {day}")
                )
            except TaskRejectedError as error:
                say(error.reason)
                break
        now = executor.enqueue_task(report, 31, priority=Priority.HIGH, deadline_s=60)
        try:
            say(now.result())
        except (TaskDeadlineError, TaskCrashedError) as error:
            say(error)
        done = [handle for handle in month if handle.exception() is None]
        say(f"{len(done)} of {len(month)} reports are there; {executor.metrics().counts.dropped} made room")


if __name__ == "__main__":
    main()
