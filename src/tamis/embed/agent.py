"""`AgentLogger`: what an agent does, step by step: tool calls, tokens, cost."""

import itertools
import math
import threading
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.embed.install import get_logger
from tamis.embed.logger import BoundLogger, Logger
from tamis.embed.values import frozen
from tamis.record.context import context

_STEPS = 3
"""`stacklevel` of whoever called: the method stands between, and `Span._write` or `AgentLogger._begin`."""


class AgentRun:
    """One run of an agent: the totals of all loggers bound from one. Safe from many threads."""

    def __init__(self, agent: str, run_id: str, clock: Clock) -> None:
        self.agent, self.run_id, self.clock = agent, run_id, clock
        self.numbers = itertools.count(1)
        self.tokens = 0
        self.cost = 0.0
        self._lock = threading.RLock()

    def add(self, tokens: object, cost: object) -> dict[str, Any]:
        """Add to the totals; they as fields. What is no number, as models' answers may have it, adds nothing."""
        more_tokens, more_cost = int(_number(tokens)), _number(cost)
        with self._lock:
            self.tokens += more_tokens
            self.cost += more_cost
            return {"tokens_total": self.tokens, "cost_total": round(self.cost, 9)}


class Span:
    """A step or a tool call that goes on: leave the block, or call `end`, and its record is written with how long
    it took. Within the block every record on this thread or task carries the step.
    """

    def __init__(self, logger: "AgentLogger", what: str, name: str, fields: Mapping[str, Any]) -> None:
        self._logger, self._what, self._name = logger, what, name
        self.fields: dict[str, Any] = dict(fields)
        """Of the last record; add to them what is known only later, such as a result."""
        self._begun_s = logger.run.clock.monotonic_s()
        self._stack = ExitStack()
        self._is_over = False

    def __enter__(self) -> "Span":
        self._stack.enter_context(
            context(**{key: self.fields[key] for key in _INHERITED if key in self.fields})
        )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._write(error)

    def end(self, *, tokens: int = 0, cost: float = 0.0, **fields: Any) -> None:
        """It is over; only the first end counts."""
        self.fields |= fields
        if tokens or cost:
            self.fields |= {"tokens": tokens, "cost": cost}
        self._write(None)

    def _write(self, error: BaseException | None) -> None:
        if self._is_over:
            return
        self._is_over = True
        run = self._logger.run
        duration_ms = (run.clock.monotonic_s() - self._begun_s) * 1_000
        fields = self.fields | {"duration_ms": round(duration_ms, 3), "status": "error" if error else "ok"}
        fields |= run.add(fields.get("tokens"), fields.get("cost"))
        if error is not None:
            fields["exc_info"] = error
        log = self._logger.error if error is not None else self._logger.info
        log(f"{self._what} %s done", self._name, stacklevel=_STEPS, **fields)


_INHERITED = ("agent", "run_id", "step", "step_name", "tool")


class AgentLogger(BoundLogger):
    """A logger bound to an agent and one of its runs.

    `step` and `tool_call` write a record at once; as a block (`with agent.step("plan"): …`) a second one when it
    ends, with `duration_ms`, `status` and the totals so far. `tokens` and `cost` given anywhere add up, and stand
    in one record each, so that sums over records are right too.
    """

    __slots__ = ("run",)
    run: AgentRun

    def __init__(self, logger: Logger, bound: Mapping[str, Any], run: AgentRun) -> None:
        super().__init__(logger, bound)
        object.__setattr__(self, "run", run)

    def bind(self, /, **fields: Any) -> "AgentLogger":
        """The same run, with more bound fields."""
        return AgentLogger(self, super().bind(**fields).bound or {}, self.run)

    @property
    def tokens(self) -> int:
        """Tokens of the run so far."""
        return self.run.tokens

    @property
    def cost(self) -> float:
        """Cost of the run so far, in whatever money the caller counts."""
        return self.run.cost

    def step(self, name: str, /, **fields: Any) -> Span:
        """The next step; numbered from 1 as `step`, its name is `step_name`."""
        return self._begin("step", name, {"step": next(self.run.numbers), "step_name": name, **fields})

    def tool_call(self, tool: str, /, arguments: object = None, **fields: Any) -> Span:
        """A call of a tool, with what it was given: a mapping, a list, or JSON text as models write it."""
        given = {} if arguments is None else {"arguments": frozen(arguments)}
        return self._begin("tool call", tool, {"tool": tool, **given, **fields})

    def usage(
        self,
        *,
        input_tokens: int | None = 0,
        output_tokens: int | None = 0,
        cost: float | None = 0.0,
        **fields: Any,
    ) -> None:
        """What a call of a model took: one record, with the totals of the run. None is what nobody told."""
        tokens = int(_number(input_tokens)) + int(_number(output_tokens))
        totals = self.run.add(tokens, cost)
        self.info(
            "%d tokens used",
            tokens,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            tokens=tokens,
            cost=cost,
            stacklevel=_STEPS - 1,
            **totals,
            **fields,
        )

    def _begin(self, what: str, name: str, fields: dict[str, Any]) -> Span:
        used = {key: fields.pop(key) for key in ("tokens", "cost") if key in fields}
        totals = self.run.add(used.get("tokens"), used.get("cost")) if used else {}
        self.info(f"{what} %s", name, stacklevel=_STEPS, **fields, **used, **totals)
        return Span(self, what, name, {**(self.bound or {}), **fields})


def _number(value: Any) -> float:
    """A number, also from text or a decimal one; 0 for whatever is none."""
    try:
        number = float(value or 0)
    except Exception:  # logging never raises into the application
        return 0
    return number if math.isfinite(number) else 0


def get_agent_logger(agent: str, /, *, run_id: str | None = None, clock: Clock = SYSTEM_CLOCK) -> AgentLogger:
    """A logger for one run of an agent, named `agent.<name>`; without a run id the run gets one."""
    run = AgentRun(agent, run_id or uuid.uuid4().hex, clock)
    return AgentLogger(get_logger(f"agent.{agent}"), {"agent": agent, "run_id": run.run_id}, run)
