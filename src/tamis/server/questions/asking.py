"""A question in its normal form: what its repeats are known by."""

from tamis.errors import QueryError
from tamis.query.hints import hints
from tamis.query.parser import parse
from tamis.query.printer import print_query
from tamis.server.questions.moving import moves_of
from tamis.server.questions.params import Parameters
from tamis.server.questions.repeats import Asking


def asking_of(kind: str, given: Parameters, now_ns: int) -> Asking | None:
    """The question that a request's parameters put; None when it is wrong, or its times move between seconds too."""
    asked = given.asked()
    try:
        query = parse(asked.q)
        moves = moves_of(query, (asked.start, asked.end), now_ns)
    except QueryError:
        return None
    if moves is None:
        return None
    said = [*hints(query, asked.q, is_found=True), *hints(query, asked.q)]
    text = asked.q if said else print_query(query)  # what is said of a query may speak of its very words
    rest = sorted((name, str(value)) for name, value in given.values.items() if name != "q")
    return Asking(repr((kind, text, rest, given.warnings)), moves, kind)
