"""What an agent does, as records."""

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from tamis.embed.agent import get_agent_logger
from tamis.embed.install import get_logger
from tamis.embed.outlet import OUTLET
from tamis.testing import FakeClock
from tests.support.logged import logged


def test_a_step_is_two_records_and_what_happens_within_carries_it() -> None:
    """Begin and end, with duration and status; other loggers' records between carry agent, run and step."""
    clock = FakeClock()
    agent = get_agent_logger("planner", run_id="r1", clock=clock)
    with logged() as records, agent.step("plan", goal="answer") as step:
        get_logger("shop").info("inside")
        logging.getLogger("lib").info("inside too")
        clock.advance(0.25)
        step.fields["result"] = "ok then"
    assert records.messages == ["step plan", "inside", "inside too", "step plan done"]
    assert {record.attributes["run_id"] for record in records} == {"r1"}
    assert [record.attributes["step"] for record in records] == [1, 1, 1, 1]
    assert [record.attributes["step_name"] for record in records] == ["plan"] * 4
    last = records[-1].attributes
    assert (last["duration_ms"], last["status"], last["goal"], last["result"]) == (
        250.0,
        "ok",
        "answer",
        "ok then",
    )
    assert records[0].logger == "agent.planner"


def test_a_step_that_fails_says_so() -> None:
    """At ERROR, with the exception, which passes through."""
    agent = get_agent_logger("planner", run_id="r1")
    with logged() as records, pytest.raises(ValueError, match="no plan"), agent.step("plan"):
        raise ValueError("no plan")
    assert records[-1].level == "ERROR"
    assert records[-1].attributes["status"] == "error"
    assert "exception" in records[-1].attributes


def test_tokens_and_cost_add_up_and_stand_in_one_record_each() -> None:
    """The sum over records is the total of the run."""
    agent = get_agent_logger("planner", run_id="r1")
    with logged() as records:
        with agent.step("plan", tokens=10, cost=0.5):
            agent.usage(input_tokens=100, output_tokens=20, cost=0.25, model="m")
        call = agent.tool_call("search", {"q": "stock"})
        call.end(tokens=5, result="three")
        call.end(tokens=5)
        agent.bind(customer=7).usage(input_tokens=1)
    assert (agent.tokens, agent.cost) == (136, 0.75)
    assert sum(int(str(record.attributes.get("tokens", 0))) for record in records) == 136
    assert records[-1].attributes["tokens_total"] == 136
    assert records[-1].attributes["customer"] == 7
    assert [record.attributes.get("tool") for record in records if "tool" in record.message] == [
        "search",
        "search",
    ]
    assert next(r for r in records if r.message == "tool call search").attributes["arguments"] == {
        "q": "stock"
    }


def test_steps_are_numbered_also_from_many_threads() -> None:
    """Each number once, and no token lost."""
    agent = get_agent_logger("planner")
    with logged() as records, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: agent.step("s", tokens=1), range(200)))
    assert sorted(int(str(record.attributes["step"])) for record in records) == list(range(1, 201))
    assert agent.tokens == 200
    assert len({record.attributes["run_id"] for record in records}) == 1


def test_the_position_is_that_of_the_agents_code() -> None:
    """Not ours."""
    agent = get_agent_logger("planner")
    with logged() as records:
        OUTLET.code_level = 0
        with agent.step("a"):
            agent.usage(input_tokens=1)
        agent.tool_call("t").end()
    assert {record.attributes["code"]["function"] for record in records} == {  # type: ignore[index,call-overload]
        "test_the_position_is_that_of_the_agents_code"
    }


@pytest.mark.parametrize("arguments", ['{"q": "lamp"}', ["lamp", 1], {"q": "lamp"}, {1: object}, 7])
def test_a_tool_may_be_given_anything(arguments: object) -> None:
    """Models write arguments as JSON text, tools take lists: nothing raises into the application, all is kept."""
    with logged() as records, get_agent_logger("planner").tool_call("search", arguments):
        pass
    assert len(records) == 2
    assert all("arguments" in record.attributes for record in records)


def test_arguments_are_those_of_the_call() -> None:
    """What the tool does to them afterwards changes neither record."""
    given = {"items": [1]}
    with logged() as records, get_agent_logger("planner").tool_call("pop", given):
        given["items"].pop()
    assert [record.attributes["arguments"] for record in records] == [{"items": [1]}] * 2


def test_usage_that_is_no_number_adds_nothing() -> None:
    """Answers of models may lack counts, or have them as text or decimals; totals stay numbers."""
    agent = get_agent_logger("planner")
    with logged() as records:
        agent.usage(input_tokens=None, output_tokens=3, cost=None)
        agent.usage(input_tokens="4", output_tokens=object(), cost=Decimal("0.5"))  # type: ignore[arg-type]  # what comes
        agent.step("plan", tokens="many", cost=math.nan).end(tokens=2)
    assert len(records) == 4
    assert (agent.tokens, agent.cost) == (9, 0.5)
