"""Alert rules: kept, tried on the past, silenced; their channels; what became of them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tamis.errors import ConfigError, QueryError
from tamis.query.times import parse_instant
from tamis.server.alerts.desk import AlertDesk
from tamis.server.alerts.replay import dry_run
from tamis.server.alerts.rule import Rule, compile_rule, parse_rule
from tamis.server.alerts.show import show_dry_run, show_happened, show_rule, show_silence
from tamis.server.front.auth import Principal
from tamis.server.openapi import problem_answers
from tamis.server.problems import ParameterError, ProblemError
from tamis.server.questions.answers import Read, json_response
from tamis.server.questions.params import BODY_BYTES_MAX, Parameters, read_body, read_query
from tamis.server.service import Service, service_of
from tamis.settings.kinds import parse_seconds
from tamis.store.base import Budget

Handler = Callable[[Request], Awaitable[Response]]
PATH = "/api/v1/rules"
HISTORY_MAX = 1_000
SPAN = ("start", "end", "days")
SILENCE_S_MAX = 3_660 * 86_400.0


class DryRunAnswer(Read, kw_only=True):
    """What a rule would have told."""

    rule: str
    start: str
    end: str
    told: list[dict[str, Any]]


def _desk(request: Request) -> AlertDesk:
    return service_of(request).ready().alerts


def _who(request: Request) -> str:
    principal: Principal = request.scope["tamis.principal"]
    return principal.name


def _told_wrong(handler: Handler) -> Handler:
    """What is wrong with a rule or a channel is the caller's to know: 400."""

    @wraps(handler)
    async def checked(request: Request) -> Response:
        try:
            return await handler(request)
        except ConfigError as error:
            extra = {"parameter": error.key, "allowed": error.reason}
            raise ProblemError(400, f"{error.key}: {error.reason}.", extra) from None

    return checked


async def _given(request: Request) -> dict[str, Any]:
    """The body, a JSON object."""
    body = await read_body(request, BODY_BYTES_MAX)
    try:
        value = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ProblemError(400, "The body must be a JSON object.")
    return value


def _only(given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """A slip is told, not passed over."""
    for name, value in given.items():
        if name not in known:
            raise ParameterError(name, value, f"absent; known are {', '.join(known)}")


def _text(given: Mapping[str, Any], name: str, default: str) -> str:
    value = given.get(name, default)
    if not isinstance(value, str):
        raise ParameterError(name, value, "a text")
    return value


def _missing(what: str, name: str) -> ProblemError:
    return ProblemError(404, f"There is no {what} {name[:100]!r}.")


async def rules(request: Request) -> Response:
    """Every rule, and how it stands: what holds now, what went wrong."""
    rows = await asyncio.to_thread(_desk(request).rule_rows)
    return json_response({"rules": [show_rule(*row) for row in rows]})


async def rule(request: Request) -> Response:
    """One rule, and how it stands."""
    name = request.path_params["name"]
    rows = await asyncio.to_thread(_desk(request).rule_rows)
    for row in rows:
        if row[0].name == name:
            return json_response(show_rule(*row))
    raise _missing("rule", name)


@_told_wrong
async def make_rule(request: Request) -> Response:
    """Make a rule; 409 when there is one of this name."""
    desk, given = _desk(request), await _given(request)
    name = given.get("name")
    known = [row.name for row, _, _ in await asyncio.to_thread(desk.rule_rows)]
    if name in known:
        raise ProblemError(409, f"There is a rule {name!r}; PUT {PATH}/{name} changes it.")
    made, _ = await asyncio.to_thread(desk.set_rule, given, by=_who(request))
    return json_response(msgspec.to_builtins(made), 201)


@_told_wrong
async def set_rule(request: Request) -> Response:
    """Make or change a rule. When it then means something else, it begins anew."""
    name = request.path_params["name"]
    given = await _given(request)
    given.pop("status", None)  # what GET says beside the rule
    if given.setdefault("name", name) != name:
        raise ParameterError("name", given["name"], f"{name}, as in the path; a rule is not renamed")
    made, existed = await asyncio.to_thread(_desk(request).set_rule, given, by=_who(request))
    return json_response(msgspec.to_builtins(made), 200 if existed else 201)


async def remove_rule(request: Request) -> Response:
    """Forget a rule, and what it had still to tell. Its history stays."""
    name = request.path_params["name"]
    if not await asyncio.to_thread(_desk(request).remove_rule, name, by=_who(request)):
        raise _missing("rule", name)
    return Response(status_code=204)


@_told_wrong
async def try_rule(request: Request) -> Response:
    """What a rule that is not kept would have told in the past: the rule itself, and `start`, `end` or `days`."""
    given = await _given(request)
    span: dict[str, Any] = {name: given.pop(name) for name in SPAN if name in given}
    given.setdefault("name", "a-rule")
    return await _tried(request, parse_rule(given, "the request"), span)


@_told_wrong
async def try_kept_rule(request: Request) -> Response:
    """What a rule would have told in the past, by the records' own times: `start`, `end` or `days` (7)."""
    name, span = request.path_params["name"], await _given(request)
    _only(span, SPAN)
    for row, _, _ in await asyncio.to_thread(_desk(request).rule_rows):
        if row.name == name:
            return await _tried(request, msgspec.json.decode(row.data, type=Rule), span)
    raise _missing("rule", name)


async def _tried(request: Request, given: Rule, span: dict[str, Any]) -> Response:
    for name, value in request.query_params.items():
        raise ParameterError(name, value, "in the body, a JSON object; nothing stands in the query string")
    service = service_of(request)
    desk, compiled = _desk(request), compile_rule(given, "the request")
    start_ns, end_ns = _span(service, span, desk.options.dry_run_s)

    def ask(budget: Budget) -> Read:
        store = service.ready().store
        run = dry_run(
            compiled,
            store,
            start_ns=start_ns,
            end_ns=end_ns,
            budget=budget,
            groups_max=desk.options.groups_max,
        )
        return DryRunAnswer(**show_dry_run(compiled, run, store.store_id, start_ns=start_ns, end_ns=end_ns))

    return await service.asker.answer(request, "dry-run", ask)


def _span(service: Service, given: dict[str, Any], most_s: float) -> tuple[int, int]:
    """From when to when."""
    now_ns = service.clock.now_ns()
    start, end, days = (given.get(name) for name in ("start", "end", "days"))
    if start is not None and days is not None:
        raise ParameterError("days", days, "absent when start is there")
    if days is not None and (type(days) not in (int, float) or not 0 < days <= 3_650):
        raise ParameterError("days", days, "a number of days over 0")
    end_ns = now_ns if end is None else _instant("end", end, now_ns)
    start_ns = (
        end_ns - round((days or 7) * 86_400 * 10**9) if start is None else _instant("start", start, now_ns)
    )
    if not 0 < end_ns - start_ns <= most_s * 10**9:
        raise ParameterError("start", str(start or days), f"before end, by {most_s / 86_400:g} days at most")
    return start_ns, end_ns


def _instant(name: str, value: object, now_ns: int) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ParameterError(name, value, "a time, as a text or a number")
    try:
        return parse_instant(str(value), now_ns)
    except QueryError as error:
        raise ParameterError(name, value, f"a time ({error.reason})") from None


async def history(request: Request) -> Response:
    """What rules told, and every try to tell it; newest first. `cursor` is the `next_cursor` of the page before."""
    return await _history(request, None)


async def rule_history(request: Request) -> Response:
    """What became of one rule, newest first."""
    return await _history(request, request.path_params["name"])


async def _history(request: Request, name: str | None) -> Response:
    given: Parameters = read_query(request, ("limit", "cursor"))
    limit = given.whole("limit", 100, least=1, most=HISTORY_MAX)
    before = given.whole("cursor", 0, least=0, most=1 << 62) or None
    found = await asyncio.to_thread(_desk(request).book.history, name, limit=limit, before=before)
    following = str(found[-1].number) if len(found) == limit else None
    entries = [show_happened(one) for one in found]
    return json_response({"history": entries, "next_cursor": following, "warnings": list(given.warnings)})


async def silences(request: Request) -> Response:
    """Silences that are not over."""
    found = await asyncio.to_thread(_desk(request).rules.silences)
    return json_response({"silences": [show_silence(one) for one in found]})


@_told_wrong
async def make_silence(request: Request) -> Response:
    """Tell nothing for a while: `rule` (a name; * stands for any text), `labels`, `until` or `for`, `reason`."""
    given = await _given(request)
    _only(given, ("rule", "labels", "start", "until", "for", "reason"))
    labels = given.get("labels", {})
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise ParameterError("labels", labels, "an object of texts")
    now_ns = service_of(request).clock.now_ns()
    made = await asyncio.to_thread(
        _desk(request).add_silence,
        rule=_text(given, "rule", "*"),
        labels=labels,
        start_ns=_instant("start", given["start"], now_ns) if "start" in given else now_ns,
        until_ns=_until(given, now_ns),
        reason=_text(given, "reason", ""),
        by=_who(request),
    )
    return json_response(show_silence(made), 201)


def _until(given: dict[str, Any], now_ns: int) -> int:
    if ("until" in given) == ("for" in given):
        raise ParameterError(
            "until", str(given.get("until", "")), "there, or `for` with a duration; one of them"
        )
    if "until" in given:
        return _instant("until", given["until"], now_ns)
    try:
        for_s = parse_seconds(given["for"])
    except (ValueError, OverflowError) as error:
        raise ParameterError("for", given["for"], f"a duration ({error})") from None
    if not 0 < for_s <= SILENCE_S_MAX:
        raise ParameterError("for", given["for"], f"over 0, and {SILENCE_S_MAX / 86_400:,.0f} days at most")
    return now_ns + round(for_s * 10**9)


async def end_silence(request: Request) -> Response:
    """A silence is over."""
    id = request.path_params["id"]
    if not await asyncio.to_thread(_desk(request).rules.end_silence, id, by=_who(request)):
        raise _missing("silence", id)
    return Response(status_code=204)


async def channels(request: Request) -> Response:
    """Whom rules may tell, without what is secret."""
    found = await asyncio.to_thread(_desk(request).shown_channels)
    return json_response({"channels": [{"name": name, "shown": shown} for name, shown in found.items()]})


@_told_wrong
async def set_channel(request: Request) -> Response:
    """Make or change a channel: `url`. It is not shown again."""
    name, given = request.path_params["name"], await _given(request)
    _only(given, ("url", "name"))
    url = given.get("url")
    if not isinstance(url, str) or not url:
        raise ProblemError(400, "The body must be an object with the channel's url.")
    existed = await asyncio.to_thread(_desk(request).set_channel, name, url, by=_who(request))
    return json_response({"name": name}, 200 if existed else 201)


@_told_wrong
async def remove_channel(request: Request) -> Response:
    """Forget a channel that no rule names."""
    name = request.path_params["name"]
    if not await asyncio.to_thread(_desk(request).remove_channel, name, by=_who(request)):
        raise _missing("channel", name)
    return Response(status_code=204)


@_told_wrong
async def try_channel(request: Request) -> Response:
    """Tell a channel a trial notice now."""
    name = request.path_params["name"]
    problem = await asyncio.to_thread(_desk(request).try_channel, name, by=_who(request))
    if problem is None:
        raise _missing("channel", name)
    return json_response({"delivered": not problem, "problem": problem})


ROUTES: tuple[tuple[str, str, Handler, int], ...] = (
    ("GET", "", rules, 200),
    ("POST", "", make_rule, 201),
    ("POST", "/dry-run", try_rule, 200),
    ("GET", "/history", history, 200),
    ("GET", "/silences", silences, 200),
    ("POST", "/silences", make_silence, 201),
    ("DELETE", "/silences/{id}", end_silence, 204),
    ("GET", "/channels", channels, 200),
    ("PUT", "/channels/{name}", set_channel, 200),
    ("DELETE", "/channels/{name}", remove_channel, 204),
    ("POST", "/channels/{name}/test", try_channel, 200),
    ("GET", "/{name}", rule, 200),
    ("PUT", "/{name}", set_rule, 200),
    ("DELETE", "/{name}", remove_rule, 204),
    ("GET", "/{name}/history", rule_history, 200),
    ("POST", "/{name}/dry-run", try_kept_rule, 200),
)
"""Method, path below `/api/v1/rules`, what answers, the status of success."""


def add_rule_routes(router: APIRouter) -> None:
    """Register these routes."""
    for method, path, handler, status in ROUTES:
        description = (handler.__doc__ or "").strip()
        name = handler.__name__
        router.add_api_route(
            PATH + path,
            handler,
            methods=[method],
            name=name,
            operation_id=f"{name}_{method.lower()}" if name.startswith("rule") else name,
            summary=description.partition(".")[0].partition(":")[0] + ".",
            description=description,
            status_code=status,
            responses={status: {"description": description}, **problem_answers("400", "401", "503")},
            response_model=None,
            openapi_extra={} if method in ("GET", "DELETE") else _BODY,
            tags=["rules"],
        )


_BODY = {"requestBody": {"required": False, "content": {"application/json": {"schema": {"type": "object"}}}}}
