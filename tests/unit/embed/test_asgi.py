"""The ASGI middleware: ids in and out, one record a request, nothing in the way of what passes."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tamis.embed.asgi import App, AsgiMiddleware, Message, Receive, Scope, Send
from tamis.embed.correlation import correlation_headers
from tamis.embed.install import get_logger
from tamis.record.model import Record
from tests.support.hand_clock import HandClock
from tests.support.logged import logged

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def scope(path: str = "/orders/7", *headers: tuple[bytes, bytes], kind: str = "http") -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": kind,
        "path": path,
        "query_string": b"token=geheim",
        "headers": list(headers),
        "client": ("203.0.113.5", 4711),
    }
    return found | ({"method": "GET"} if kind == "http" else {})


def call(app: App, given: Scope, *incoming: Message, **options: Any) -> list[Message]:
    """What the server is sent."""
    sent: list[Message] = []
    waiting = list(incoming) or [{"type": "http.request", "body": b""}]

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(AsgiMiddleware(app, **options)(given, receive, send))
    return sent


def answering(status: int = 200, *pieces: bytes, inside: Callable[[], object] = lambda: None) -> App:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        inside()
        await send({"type": "http.response.start", "status": status, "headers": [(b"x-a", b"1")]})
        for place, piece in enumerate(pieces or (b"",), 1):
            await send(
                {"type": "http.response.body", "body": piece, "more_body": place < len(pieces or (b"",))}
            )

    return app


def access(records: Any) -> list[Record]:
    return [record for record in records if record.logger == "tamis.access"]


def test_one_record_says_what_a_request_was() -> None:
    """Method, path without its query, status, duration, bytes, client."""
    clock = HandClock()
    with logged(level="INFO") as records:
        call(
            answering(200, b"abc", b"de", inside=lambda: clock.pass_s(0.25)), scope("/orders/7"), clock=clock
        )
    (record,) = records
    assert (record.message, record.level, record.logger) == ("GET /orders/7 200", "INFO", "tamis.access")
    given = record.attributes
    assert given["method"] == "GET"
    assert given["path"] == "/orders/7"
    assert given["status"] == 200
    assert given["duration_ms"] == 250.0
    assert given["bytes"] == 5
    assert given["client"] == "203.0.113.5"
    assert "geheim" not in str(record)


def test_ids_come_in_and_go_out() -> None:
    """The caller's correlation id and trace are those of all records, of the response, and of what is sent on."""
    onward: list[dict[str, str]] = []

    def inside() -> None:
        get_logger("shop").info("placed")
        onward.append(correlation_headers())

    given = scope(
        "/",
        (b"X-Correlation-ID", b"abc-7"),
        (b"traceparent", f"00-{TRACE}-{PARENT}-00".encode()),
        (b"tracestate", b"a=1"),
        (b"tracestate", b"b=2"),
    )
    with logged(level="INFO") as records:
        sent = call(answering(inside=inside), given)
    assert {record.correlation_id for record in records} == {"abc-7"}
    assert {record.trace_id for record in records} == {TRACE}
    span = records[0].span_id
    assert span is not None
    assert span != PARENT
    assert records[1].attributes["parent_span_id"] == PARENT
    assert (b"x-correlation-id", b"abc-7") in sent[0]["headers"]
    assert (b"x-a", b"1") in sent[0]["headers"]
    assert onward == [
        {
            "X-Correlation-ID": "abc-7",
            "traceparent": f"00-{TRACE}-{span}-00",
            "tracestate": "a=1,b=2",
        }
    ]


@pytest.mark.parametrize(
    "bad",
    [
        *(b"", b"x" * 129, b"a b", b"a\r\nSet-Cookie: x", b"\xff\xfe", b"-", b"{}", "ä".encode()),
        *(b"bob@example.com", b"4111111111111111", b"4111-1111-1111-1111"),
        *(b"password=hunter2XyZ9qq", b"token:hunter2XyZ9qq", b"sk_live_51H8abcdefghijklmnopqrstuv"),
    ],
)
def test_ids_that_nobody_should_write_are_replaced(bad: bytes) -> None:
    """Too long, empty, spaces, line breaks, no text, addresses, cards, passwords: a new one stands instead."""
    with logged(level="INFO") as records:
        sent = call(answering(), scope("/", (b"x-correlation-id", bad), (b"traceparent", b"00-" + bad)))
    made = records[0].correlation_id
    assert made is not None
    assert len(made) == 32
    assert (b"x-correlation-id", made.encode()) in sent[0]["headers"]
    assert records[0].trace_id is not None
    assert "parent_span_id" not in records[0].attributes


def test_requests_at_the_same_time_keep_their_own_ids() -> None:
    """Context belongs to the task; nothing is left afterwards."""
    turns = asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        if _scope["path"] == "/first":
            await turns.wait()
        else:
            turns.set()
        get_logger("shop").info(_scope["path"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def both() -> None:
        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(_message: Message) -> None:
            return None

        wrapped = AsgiMiddleware(app)
        await asyncio.gather(
            *(
                wrapped(scope(f"/{name}", (b"x-correlation-id", name.encode())), receive, send)
                for name in ("first", "second")
            )
        )

    with logged(level="INFO") as records:
        asyncio.run(both())
        get_logger("shop").info("after")
    assert {(record.message, record.correlation_id) for record in records if record.logger == "shop"} == {
        ("/first", "first"),
        ("/second", "second"),
        ("after", None),
    }


def test_an_exception_stands_in_the_record_and_goes_on() -> None:
    """One record, ERROR, with the frames; the server sees what the application raised."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError("by nothing")

    with logged(level="INFO") as records, pytest.raises(ZeroDivisionError):
        call(app, scope("/"))
    (record,) = records
    assert (record.level, record.attributes["status"]) == ("ERROR", 500)
    assert record.attributes["exception"]["type"] == "ZeroDivisionError"  # type: ignore[index,call-overload]


def test_a_failure_that_was_answered_is_still_one_record() -> None:
    """Frameworks answer 500 first and raise then."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answering(500, b"oh")(_scope, _receive, send)
        raise ZeroDivisionError("by nothing")

    with logged(level="INFO") as records, pytest.raises(ZeroDivisionError):
        call(app, scope("/"))
    (record,) = records
    assert (record.level, record.attributes["status"], record.attributes["bytes"]) == ("ERROR", 500, 2)
    assert "exception" in record.attributes


def test_what_fails_after_the_response_is_told_too() -> None:
    """Background work has a record of its own for its exception."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answering(200)(_scope, _receive, send)
        raise ZeroDivisionError("by nothing")

    with logged(level="INFO") as records, pytest.raises(ZeroDivisionError):
        call(app, scope("/mail"))
    assert [record.level for record in records] == ["INFO", "ERROR"]
    assert records[1].message == "GET /mail failed after its response"


def test_a_stream_passes_piece_by_piece() -> None:
    """The record comes at its end, not before; nothing is held back."""
    seen: list[int] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"xy", "more_body": True})
            seen.append(len(access(records)))
        await send({"type": "http.response.body", "body": b""})
        seen.append(len(access(records)))

    with logged(level="INFO") as records:
        sent = call(app, scope("/"))
    assert seen == [0, 0, 0, 1]
    assert [message.get("body") for message in sent[1:]] == [b"xy", b"xy", b"xy", b""]
    assert records[0].attributes["bytes"] == 6


def test_a_client_that_goes_away_is_told() -> None:
    """The record says that nobody waited for the answer."""

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        assert (await receive())["type"] == "http.disconnect"

    with logged(level="INFO") as records:
        call(app, scope("/"), {"type": "http.disconnect"})
    assert records[0].attributes["disconnected"] is True
    assert "status" not in records[0].attributes


def test_a_cancelled_request_leaves_a_record() -> None:
    """A server that cancels its task gets its cancellation back; that is no failure of the application."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise asyncio.CancelledError

    with logged(level="INFO") as records, pytest.raises(asyncio.CancelledError):
        call(app, scope("/"))
    assert [(record.level, "exception" in record.attributes) for record in records] == [("INFO", False)]


def test_a_websocket_is_one_record_when_it_ends() -> None:
    """Its messages pass; its records carry its ids; how it closed stands in the record."""

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        get_logger("shop").info("open")
        await send({"type": "websocket.send", "text": "hällo"})
        await receive()

    with logged(level="INFO") as records:
        sent = call(
            app,
            scope("/live", (b"x-correlation-id", b"w1"), kind="websocket"),
            {"type": "websocket.connect"},
            {"type": "websocket.disconnect", "code": 1001},
        )
    assert sent[0]["headers"] == [(b"x-correlation-id", b"w1")]
    assert [record.correlation_id for record in records] == ["w1", "w1"]
    given = records[1].attributes
    assert (given["method"], given["status"], given["close_code"], given["bytes"]) == (
        "WEBSOCKET",
        101,
        1001,
        6,
    )


def test_lifespan_is_not_touched() -> None:
    """The application gets the very scope, receive and send of the server."""
    seen: list[object] = []

    async def app(*given: object) -> None:
        seen.extend(given)

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(_message: Message) -> None:
        return None

    given = {"type": "lifespan"}
    with logged(level="INFO") as records:
        asyncio.run(AsgiMiddleware(app)(given, receive, send))
    assert seen == [given, receive, send]
    assert seen[0] is given
    assert not records


def test_paths_that_are_skipped_leave_no_record() -> None:
    """Unless they fail: a health check every second is no news, one that fails is."""
    with logged(level="INFO") as records:
        call(answering(200), scope("/healthz"), skip=("/healthz",))
        call(answering(503), scope("/healthz"), skip=("/healthz",))
    assert [record.message for record in records] == ["GET /healthz 503"]


def test_the_applications_own_correlation_header_stays() -> None:
    """It is not given twice."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"X-Correlation-Id", b"mine")]}
        )
        await send({"type": "http.response.body"})

    with logged(level="INFO"):
        sent = call(app, scope("/"))
    assert sent[0]["headers"] == [(b"X-Correlation-Id", b"mine")]


def test_nothing_is_sent_on_outside_of_a_request() -> None:
    """No ids, no headers."""
    assert correlation_headers() == {}
