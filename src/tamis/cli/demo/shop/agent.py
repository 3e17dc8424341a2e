"""The agent process: answers customers in steps, with tools, and counts what it costs. Rules stand in for a model."""

import threading
import time
from typing import Any

from tamis.cli.demo.dice import dice
from tamis.cli.demo.shop.calls import Answer, Calls
from tamis.cli.demo.shop.life import Place, live
from tamis.cli.demo.shop.serving import HttpService, Request
from tamis.embed.agent import AgentLogger, get_agent_logger
from tamis.embed.install import get_logger
from tamis.record.context import context

BUDGET_EUR = 0.25
EUR_PER_TOKEN = 0.000_012
LOOKUPS_ODD = 4
"""From so many lookups in one conversation on, something is wrong."""
LOOKUPS_MAX = 14
MODEL = "shop-small-2"
_log = get_logger("shop.agent")


class Agent:
    """Conversations about orders."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._calls = Calls(place.start.ports)
        self._chance = dice(place.start.seed, "agent", place.start.number)
        self._over = threading.Event()
        self._http = HttpService(place.start.listener or 0, self._handle)

    def run(self) -> None:
        """Answer until stopped."""
        _log.info("using model %s, %.2f EUR a conversation", MODEL, BUDGET_EUR, model=MODEL)
        threading.Thread(target=self._watch_index, name="index", daemon=True).start()
        self._http.run()

    def stop(self) -> None:
        """No more."""
        self._over.set()
        self._http.stop()

    def _watch_index(self) -> None:
        """The mistake of the fault `agent-loop`: the index of orders is exchanged for an empty one."""
        index = "orders-1"
        while not self._over.wait(0.2):
            fault = self._place.faults.get("agent-loop")
            wanted = fault.where["index"] if fault else "orders-1"
            if wanted != index:
                _log.info(
                    "order index switched from %s to %s",
                    index,
                    wanted,
                    index=wanted,
                    documents=0 if fault else 4,
                )
                index = wanted

    def _handle(self, request: Request) -> tuple[int, dict[str, Any]]:
        if (request.method, request.parts) != ("POST", ("ask",)):
            return 404, {"error": "no such page"}
        customer, topic = request.body["customer"], request.body["topic"]
        with context(customer=customer, order=request.body.get("order")):
            agent = get_agent_logger("customer-care")
            agent.info("customer asks: %s", request.body["question"], topic=topic)
            return self._converse(agent, topic, request.body.get("order"))

    def _converse(self, agent: AgentLogger, topic: str, order: str | None) -> tuple[int, dict[str, Any]]:
        with agent.step("understand", topic=topic):
            self._think(agent, 150, 400)
        found = self._look_up(agent, order) if order else None
        if order and found is None:
            return self._hand_over(agent)
        if topic == "refund" and found:
            with agent.step("cancel"), agent.tool_call("cancel_order", {"order": order}) as call:
                call.fields["answer"] = self._calls.post("web", f"/orders/{order}/cancel", {}).status
        with agent.step("answer"):
            self._think(agent, 300, 900)
        agent.info("conversation closed, %.4f EUR", agent.cost, outcome="answered", steps=4 if order else 2)
        return 200, {"answer": "done"}

    def _look_up(self, agent: AgentLogger, order: str | None) -> dict[str, Any] | None:
        """The order, asked for until it is found or the money is spent."""
        for number in range(1, LOOKUPS_MAX + 1):
            with agent.step("look up"):
                with agent.tool_call("find_order", {"order": order}) as call:
                    answer = self._find(order)
                    call.fields["hits"] = 1 if answer.ok else 0
                if answer.ok:
                    return answer.body
                agent.warning("find_order found nothing for %s, trying again", order, lookups=number)
                self._think(agent, 900, 2_600)
            if number == LOOKUPS_ODD:
                agent.warning(
                    "the same tool call for the %dth time", number, tool="find_order", cost=agent.cost
                )
            if agent.cost > BUDGET_EUR:
                return None
        return None

    def _find(self, order: str | None) -> Answer:
        if self._place.faults.get("agent-loop") is not None:
            return Answer(404)
        return self._calls.get("web", f"/orders/{order}")

    def _hand_over(self, agent: AgentLogger) -> tuple[int, dict[str, Any]]:
        said = "budget of %.2f EUR spent" if agent.cost > BUDGET_EUR else "no way on within %.2f EUR"
        agent.error(
            f"{said}, conversation handed to a person", BUDGET_EUR, outcome="handed over", spent=agent.cost
        )
        return 503, {"answer": "a person will write to you"}

    def _think(self, agent: AgentLogger, least: int, most: int) -> None:
        """What a call of a model would take."""
        tokens = self._chance.randint(least, most)
        time.sleep(tokens / 12_000)
        agent.usage(
            input_tokens=tokens, output_tokens=tokens // 6, cost=round(tokens * EUR_PER_TOKEN, 6), model=MODEL
        )


if __name__ == "__main__":
    live(Agent)
