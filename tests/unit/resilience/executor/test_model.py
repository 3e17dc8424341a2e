"""The executor decides what the specification says, whatever comes in whatever order."""

import math
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from tamis.errors import TaskCancelledError, TaskCrashedError, TaskDeadlineError, TaskRejectedError
from tamis.resilience.executor.book import Rejection, TaskBook
from tamis.resilience.executor.limits import DropPolicy, ExecutorLimits, Priority
from tamis.resilience.executor.schedule import Ending
from tamis.resilience.executor.task import Task, TaskControl, TaskHandle


@dataclass
class One:
    """A task as a person would note it on a card."""

    order: int
    priority: int
    came: int
    deadline: float
    handle: TaskHandle[Any]
    state: str = "waiting"

    def rank(self, now: int, ageing: int | None) -> int:
        """Its priority after one step up for each whole `ageing` that it waits; HIGH is as far as it goes."""
        rank = self.priority
        if ageing is not None:
            for _ in range((now - self.came) // ageing):
                rank = rank - 1 if rank > 1 else rank
        return rank


class ExecutorAgainstCards(RuleBasedStateMachine):
    """Every card says what its handle must say."""

    running: Bundle[tuple[One, Task]] = Bundle("running")
    known: Bundle[One] = Bundle("known")

    @initialize(
        drop=st.sampled_from(DropPolicy),
        waiting=st.integers(1, 4),
        workers=st.integers(1, 2),
        ageing=st.none() | st.integers(1, 4),
    )
    def begin(self, drop: DropPolicy, waiting: int, workers: int, ageing: int | None) -> None:
        self.now, self.order, self.ageing, self.drop = 0, 0, ageing, drop
        self.room, self.workers = waiting, workers
        self.cards: list[One] = []
        self.told: list[Rejection] = []
        self.rejected = self.drops = 0
        limits = ExecutorLimits(waiting_max=waiting, workers_max=workers, drop=drop, ageing_s=ageing)
        self.book = TaskBook("it", limits, on_rejection=self.told.append)

    def of(self, *states: str) -> list[One]:
        return [card for card in self.cards if card.state in states]

    def pass_deadlines(self) -> None:
        for card in self.of("waiting", "running"):
            if card.deadline <= self.now:
                card.state = "expired" if card.state == "waiting" else "expired, running"

    def victims(self, newcomer: int) -> list[One]:
        waiting = self.of("waiting")
        if self.drop is DropPolicy.LOW:
            worst = max(card.priority for card in waiting)
            return [card for card in waiting if card.priority == worst > newcomer][-1:]
        unimportant = [card for card in waiting if card.priority >= newcomer]
        return unimportant[:1] if self.drop is DropPolicy.OLDEST else unimportant

    @rule(target=known, priority=st.sampled_from(Priority), limit=st.integers(0, 6) | st.just(math.inf))
    def enqueue(self, priority: Priority, limit: float) -> One:
        self.pass_deadlines()
        self.order += 1
        handle: TaskHandle[Any] = TaskHandle("task", priority, lambda _: False)
        card = One(self.order, int(priority), self.now, self.now + limit, handle)
        control = TaskControl("it", "task", now_s=lambda: float(self.now))
        refused = self.book.enqueue(Task(print, (), {}, handle, control, limit_s=limit), self.now)
        if len(self.of("waiting")) == self.room:
            victims = self.victims(int(priority))
            for victim in victims:
                victim.state = "dropped"
            self.drops += len(victims)
            if not victims:
                card.state = "rejected"
                self.rejected += 1
        self.cards.append(card)
        assert (refused is not None) == (card.state == "rejected")
        return card

    @rule(seconds=st.integers(1, 5))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule(target=running)
    def take(self) -> Any:
        self.pass_deadlines()
        task = self.book.take(self.now)
        waiting, busy = self.of("waiting"), self.of("running", "expired, running")
        if not waiting or len(busy) == self.workers:
            assert task is None
            return None
        best = min(waiting, key=lambda card: (card.rank(self.now, self.ageing), card.order))
        assert task is not None
        assert task.handle is best.handle
        best.state = "running"
        return best, task

    @rule(one=consumes(running), ending=st.sampled_from(Ending))
    def finish(self, one: Any, ending: Ending) -> None:
        if one is None:
            return
        self.pass_deadlines()
        card, task = one
        value = 7 if ending is Ending.SUCCESS else OSError("it failed")
        self.book.finish(task, ending, self.now, value=value)
        card.state = "expired" if card.state == "expired, running" else ending.value

    @rule(card=known)
    def cancel(self, card: One) -> None:
        self.pass_deadlines()
        found = self.book.cancel(card.handle, self.now)
        assert (found is not None) == (card.state == "running")
        if card.state == "waiting":
            card.state = "cancelled"

    @rule()
    def look_at_deadlines(self) -> None:
        self.pass_deadlines()
        self.book.expire(self.now)
        ahead = [card.deadline for card in self.of("waiting", "running")]
        assert self.book.schedule.next_deadline_s() == min(ahead, default=math.inf)

    @invariant()
    def every_handle_says_what_its_card_says(self) -> None:
        if not hasattr(self, "book"):
            return
        self.pass_deadlines()
        self.book.expire(self.now)
        self.book.tell()
        errors: dict[str, type[Exception]] = {
            "dropped": TaskRejectedError,
            "expired": TaskDeadlineError,
            "expired, running": TaskDeadlineError,
            "cancelled": TaskCancelledError,
            "crash": TaskCrashedError,
            "failure": OSError,
        }
        for card in self.cards:
            assert card.handle.done() == (card.state not in ("waiting", "running", "rejected"))
            if card.state in errors:
                assert type(card.handle.exception()) is errors[card.state]
            elif card.state == "success":
                assert card.handle.result() == 7
        assert len(self.told) == self.rejected + self.drops

    @invariant()
    def the_counts_add_up(self) -> None:
        if not hasattr(self, "book"):
            return
        counts, schedule = self.book.schedule.counts, self.book.schedule
        assert len(schedule.waiting) == len(self.of("waiting")) <= self.room
        assert schedule.running == len(self.of("running", "expired, running")) <= self.workers
        ended = counts.succeeded + counts.failed + counts.crashed + counts.cancelled + counts.dropped
        here = len(self.of("waiting", "running"))
        assert counts.accepted == len(self.cards) - self.rejected == ended + counts.expired + here
        assert (counts.rejected, counts.dropped) == (self.rejected, self.drops)
        assert counts.expired == len(self.of("expired", "expired, running"))


TestExecutorAgainstCards = ExecutorAgainstCards.TestCase
TestExecutorAgainstCards.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
