"""An agent: steps, tool calls, tokens and cost; every record between carries where in the run it was logged.

python examples/agent.py
"""

import tamis

tamis.configure(service="support")
log = tamis.get_logger("support.stock")

STOCK = {"lamp": 3, "desk": 0}


def look_up(article: str) -> int:
    log.info("asked the stock for %s", article)  # carries agent, run_id, step and tool too
    return STOCK[article]


def answer(question: str) -> str:
    agent = tamis.get_agent_logger("support", run_id="r1")
    with agent.step("plan"):
        agent.usage(input_tokens=420, output_tokens=35, cost=0.0021, model="small")
    found = 0
    with agent.step("look"):
        try:
            with agent.tool_call("stock", {"article": "lamp", "api_key": "sk-not-for-logs"}) as call:
                found = look_up("lamp")
                call.fields["found"] = found
            with agent.tool_call("stock", {"article": "chair"}):
                look_up("chair")
        except KeyError:
            agent.warning("the stock does not know the article", article="chair")
    with agent.step("write", question=question) as step:
        step.end(tokens=180, cost=0.0009)
    agent.info("answered", tokens_total=agent.tokens, cost_total=round(agent.cost, 6))
    return f"{found} lamps are there, and we have no chairs."


if __name__ == "__main__":
    answer("Do you have lamps, or chairs? Write to ada@example.org")
