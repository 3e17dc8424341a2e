"""What is asked, understood: text and parameters, to a question for the store and the stages that come after."""

from dataclasses import dataclass

from tamis.errors import QueryError
from tamis.query import ast
from tamis.query.parser import parse
from tamis.query.times import parse_instant
from tamis.server.problems import ParameterError
from tamis.server.questions import answers, stages
from tamis.server.questions.moving import Now, resolved
from tamis.server.questions.params import Asked
from tamis.store.base import Question


@dataclass(frozen=True, slots=True)
class Read:
    """A question as the store takes it, with the stages that come after."""

    question: Question
    stages: stages.Stages
    query: ast.Query
    text: str


def understand(
    asked: Asked, endpoint: str, allowed: tuple[type[ast.Stage], ...], *, store_id: str, now_ns: int
) -> Read:
    """What is asked of the store of this id; relative times count from the second that `now_ns` is in (`moving.Now`).

    Raises QueryError for the text, ProblemError for the rest of the question.
    """
    now = Now(now_ns)
    query = resolved(parse(asked.q), now)
    taken = stages.take_stages(query.stages, allowed, endpoint)
    start_ns = _instant("start", asked.start, now.before_ns)
    end_ns = _instant("end", asked.end, now.after_ns)
    if start_ns is not None and end_ns is not None and start_ns > end_ns:
        raise ParameterError("start", asked.start, f"before end = {asked.end}")
    question = Question(query.filter, start_ns, end_ns, _as_of(asked.as_of, store_id))
    return Read(question, taken, query, asked.q)


def _as_of(text: str | None, store_id: str) -> int | None:
    if text is None:
        return None
    seq = answers.parse_record_id(text, store_id)
    if seq is None:
        raise ParameterError("as_of", text, "the as_of of an earlier answer of this store")
    return seq


def _instant(name: str, text: str | None, now_ns: int) -> int | None:
    if text is None:
        return None
    try:
        return parse_instant(text, now_ns)
    except QueryError as error:
        allowed = "RFC 3339, an epoch number (s, ms, us, ns), now, or relative such as -15m"
        raise ParameterError(name, text, f"{allowed} ({error.reason})") from None
