"""The status board: what is being done and what happened, for who looks once and who goes on looking."""

import asyncio
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.telemetry.status import BoardLimits, StatusBoard
from tamis.telemetry.status_model import StatusEvent, WorkState, WorkView
from tests.support.hand_clock import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def board(clock: HandClock) -> StatusBoard:
    return StatusBoard(clock=clock)


def test_a_work_tells_how_far_it_is_and_how_fast(board: StatusBoard, clock: HandClock) -> None:
    """Name, share, note, when it began, units a second and the seconds it still takes."""
    with board.doing("scrub", total=100, unit="files") as work:
        clock.pass_s(2)
        work.advance(20, "b.seg")
        (found,) = board.look().works
        assert (found.name, found.unit, found.note, found.state) == (
            "scrub",
            "files",
            "b.seg",
            WorkState.RUNNING,
        )
        assert (found.done, found.total, found.elapsed_s) == (20, 100, 2)
        assert (found.rate, found.left_s) == (10, 8)
        assert found.started_ns == clock.now_ns() - 2 * 10**9
    (found,) = board.look().works
    assert (found.state, found.left_s, found.rate) == (WorkState.DONE, None, 10)


def test_the_rate_is_that_of_late(board: StatusBoard, clock: HandClock) -> None:
    """A quick beginning is forgotten, and a work that stands still slows down."""
    work = board.doing("copy", total=10_000)
    work.advance(5_000)
    for _ in range(20):
        clock.pass_s(1)
        work.advance(10)
    rate = work.view().rate
    assert rate == pytest.approx(10)
    clock.pass_s(3_600)
    assert (work.view().rate or 0) < 0.1


@pytest.mark.parametrize(
    ("error", "state", "note"),
    [
        (OSError("secret"), WorkState.FAILED, "OSError, at: page 3"),
        (asyncio.CancelledError(), WorkState.STOPPED, "page 3"),
        (KeyboardInterrupt(), WorkState.STOPPED, "page 3"),
    ],
)
def test_a_work_that_raises_ends_by_its_error(
    board: StatusBoard, error: BaseException, state: WorkState, note: str
) -> None:
    """The kind of error and where it was, never its text; a cancelled work has not failed."""

    def back_up() -> None:
        with board.doing("backup") as work:
            work.advance(1, "page 3")
            raise error

    with pytest.raises(type(error)):
        back_up()
    (found,) = board.look().works
    assert (found.state, found.note) == (state, note)


def test_the_first_end_counts(board: StatusBoard) -> None:
    """What was said to have failed has, and does not get on any more."""
    with board.doing("pull") as work:
        work.fail("no mirror has it")
        work.advance(3)
    (found,) = board.look().works
    assert (found.state, found.note, found.done) == (WorkState.FAILED, "no mirror has it", 0)


def test_a_reader_gets_what_changed_since_its_last_look(board: StatusBoard) -> None:
    """Works that got on, events that came; nothing twice."""
    first, second = board.doing("first"), board.doing("second")
    board.tell("dropped", "3 tasks made room", count=3)
    before = board.look()
    assert before.is_whole
    assert [work.name for work in before.works] == ["first", "second"]
    assert [event.facts for event in before.events] == [{"count": 3}]
    second.advance()
    board.tell("breaker", "opened", severity="warning")
    found = board.look(before.position)
    assert not found.is_whole
    assert [work.name for work in found.works] == ["second"]
    assert [event.text for event in found.events] == ["opened"]
    again = board.look(found.position)
    assert (again.works, again.events, again.position) == ([], [], found.position)
    first.end()
    assert [work.state for work in board.look(found.position).works] == [WorkState.DONE]


def test_a_reader_who_missed_the_end_of_works_gets_all(clock: HandClock) -> None:
    """So that none seems to go on for ever; events it has seen are not shown again."""
    board = StatusBoard(BoardLimits(ended_max=2), clock=clock)
    works = [board.doing(f"work {number}") for number in range(5)]
    board.tell("note", "seen")
    seen = board.look()
    for work in works[:4]:
        work.end()
    found = board.look(seen.position)
    assert found.is_whole
    assert {work.name for work in found.works} == {"work 2", "work 3", "work 4"}
    assert found.events == []


def test_a_position_of_another_board_is_a_beginning(board: StatusBoard) -> None:
    """One that was never reached shows everything."""
    board.tell("note", "a")
    found = board.look(1_000)
    assert found.is_whole
    assert [event.text for event in found.events] == ["a"]


def test_what_is_degraded_stays_until_it_is_mended(board: StatusBoard, clock: HandClock) -> None:
    """Told once however often it is said, with since when; the end is an event too."""
    since_ns = clock.now_ns()
    for _ in range(3):
        board.degrade("semantic search", "its model is missing; words are searched")
        clock.pass_s(1)
    (found,) = board.look().degraded
    assert (found.name, found.since_ns) == ("semantic search", since_ns)
    board.degrade("semantic search", "its model is damaged")
    assert board.look().degraded[0].since_ns == since_ns
    for _ in range(2):
        board.mend("semantic search")
    last = board.look()
    assert last.degraded == []
    assert [event.kind for event in last.events] == ["degraded", "degraded", "mended"]


def test_it_never_grows(clock: HandClock) -> None:
    """Works, events, conditions, texts and facts beyond the limits are counted or cut, and the caller goes on."""
    limits = BoardLimits(works_max=3, ended_max=2, events_max=4, degraded_max=2, text_max=10, facts_max=2)
    board = StatusBoard(limits, clock=clock)
    works = [board.doing("w" * 50, note="n" * 50, unit="u" * 50) for _ in range(5)]
    for work in works:
        work.advance(1, "m" * 50)
    assert (len(board.look().works), board.unseen) == (3, 2)
    for work in works:
        work.end()
    for number in range(20):
        board.tell("k" * 50, "t" * 50, a="f" * 50, b=number, c=1)
        board.degrade(f"{number} {'x' * 50}", "y" * 50)
    found = board.look()
    assert (len(found.works), len(found.events), len(found.degraded)) == (2, 4, 2)
    texts = [text for work in found.works for text in (work.name, work.note, work.unit)]
    texts += [str(text) for event in found.events for text in (event.kind, event.text, *event.facts.values())]
    assert max(map(len, texts)) == 10
    assert max(len(event.facts) for event in found.events) == 2
    assert found.events[-1].number == 40


def test_listeners_are_told_with_no_lock_held(board: StatusBoard) -> None:
    """Another thread may use the board while a listener runs; what a listener raises is counted."""
    told: list[str] = []

    def look_elsewhere(change: WorkView | StatusEvent) -> None:
        other = threading.Thread(target=board.look)
        other.start()
        other.join(60)
        assert not other.is_alive()
        told.append(type(change).__name__)

    def fail(change: WorkView | StatusEvent) -> None:
        raise OSError

    end = board.listen(look_elsewhere)
    board.listen(fail)
    with board.doing("scrub") as work:
        work.advance()
    board.degrade("a", "b")
    board.mend("a")
    board.tell("note", "c")
    assert told == ["WorkView", "WorkView", "StatusEvent", "StatusEvent", "StatusEvent"]
    assert board.listener_errors == 5
    end()
    board.tell("note", "d")
    assert len(told) == 5


def test_listeners_are_told_of_progress_now_and_then(board: StatusBoard, clock: HandClock) -> None:
    """A work that gets on a thousand times a second does not tell that often; a look sees it all."""
    told: list[float] = []
    board.listen(lambda change: told.append(getattr(change, "done", -1)))
    with board.doing("scrub") as work:
        for _ in range(1_000):
            clock.pass_s(0.001)
            work.advance()
        assert board.look().works[0].done == 1_000
    assert told[0] == 0
    assert told[-1] == 1_000
    assert 5 <= len(told) <= 7


def test_threads_lose_nothing(board: StatusBoard) -> None:
    """Every unit is counted and every event has its own number."""
    work = board.doing("scrub", total=8_000)

    def run() -> None:
        for _ in range(1_000):
            work.advance()
            board.tell("note", "x")

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = board.look()
    assert found.works[0].done == 8_000
    assert [event.number for event in found.events] == list(range(7_501, 8_001))


Step = tuple[str, int]


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "advance", "end", "tell", "degrade", "mend", "look"]), st.integers(0, 4)
        )
    )
)
def test_who_goes_on_looking_knows_what_one_look_shows(steps: list[Step]) -> None:
    """Whatever happens between its looks, a reader that puts them together has the running works and the conditions
    of the board, and each event at most once, with gaps that its numbers show."""
    board = StatusBoard(
        BoardLimits(works_max=3, ended_max=2, events_max=3, degraded_max=3), clock=HandClock()
    )
    works = [board.doing("first")]
    known: dict[int, WorkView] = {}
    numbers: list[int] = []
    position = 0
    for what, number in [*steps, ("look", 0)]:
        if what == "begin":
            works.append(board.doing(f"work {number}"))
        elif what in ("advance", "end"):
            getattr(works[number % len(works)], what)()
        elif what == "tell":
            board.tell("note", str(number))
        elif what == "degrade":
            board.degrade(str(number), "less")
        elif what == "mend":
            board.mend(str(number))
        else:
            found = board.look(position)
            known = {} if found.is_whole else known
            known |= {work.id: work for work in found.works}
            numbers += [event.number for event in found.events]
            position = found.position
            whole = board.look()
            assert {work.id: work for work in whole.works if work.state is WorkState.RUNNING} == {
                work.id: work for work in known.values() if work.state is WorkState.RUNNING
            }
            assert found.degraded == whole.degraded
    assert numbers == sorted(set(numbers))


def test_a_child_process_begins_with_an_empty_board() -> None:
    """What the parent does is not done in its child, whose lock is free."""
    script = """
import os, threading
from tamis.telemetry import status
status.doing("scrub")
held, go = threading.Event(), threading.Event()
def hold():
    with status.BOARD.lock:
        held.set(); go.wait(60)
threading.Thread(target=hold, daemon=True).start()
held.wait(60)
before = status.BOARD.id
child = os.fork()
if child == 0:
    look = status.look()
    os._exit(0 if (look.works, look.events) == ([], []) and status.BOARD.id != before else 1)
assert os.waitpid(child, 0)[1] == 0
go.set()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
