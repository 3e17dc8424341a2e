"""The WSGI middleware: ids in and out, one record a request, nothing in the way of what passes."""

import contextvars
import io
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from tamis.embed.correlation import correlation_headers
from tamis.embed.install import get_logger
from tamis.embed.wsgi import App, Environ, StartResponse, WsgiMiddleware
from tests.support.hand_clock import HandClock
from tests.support.logged import logged

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
Answer = tuple[str, dict[str, str], bytes]


def environ(path: str = "/orders/7", **more: str) -> Environ:
    found: Environ = {
        "PATH_INFO": path,
        "REMOTE_ADDR": "203.0.113.5",
        "QUERY_STRING": "token=geheim",
        "SCRIPT_NAME": "",
        **more,
    }
    setup_testing_defaults(found)
    return found


def call(app: App, given: Environ, **options: Any) -> Answer:
    """What a server gets, asked for as the standard's own checker wants it."""
    started: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [status, dict(headers)]
        return lambda data: None

    body: Any = validator(WsgiMiddleware(app, **options))(given, start)
    try:
        data = b"".join(body)
    finally:
        body.close()
    return started[0], started[1], data


def streaming(_environ: Environ, start: StartResponse) -> Iterator[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    get_logger("shop").info("begun")
    yield b"abc"
    get_logger("shop").info("going on")
    yield b"de"


def listed(_environ: Environ, start: StartResponse) -> Iterable[bytes]:
    start("201 Created", [("Content-Type", "text/plain")])
    return [b"abc"]


def test_one_record_says_what_a_request_was() -> None:
    """Method, path without its query, status, duration, bytes, client."""
    clock = HandClock()

    def app(given: Environ, start: StartResponse) -> Iterable[bytes]:
        clock.pass_s(0.25)
        return listed(given, start)

    with logged(level="INFO") as records:
        status, _, body = call(app, environ(SCRIPT_NAME="/shop"), clock=clock)
    assert (status, body) == ("201 Created", b"abc")
    (record,) = records
    assert (record.message, record.level) == ("GET /shop/orders/7 201", "INFO")
    given = record.attributes
    assert (given["status"], given["duration_ms"], given["bytes"]) == (201, 250.0, 3)
    assert (given["client"], given["method"]) == ("203.0.113.5", "GET")
    assert "geheim" not in str(record)


def test_ids_come_in_and_go_out() -> None:
    """Also for what is logged while the body is made; nothing is left on the thread afterwards."""
    onward: list[dict[str, str]] = []

    def app(given: Environ, start: StartResponse) -> Iterable[bytes]:
        onward.append(correlation_headers())
        return streaming(given, start)

    given = environ(HTTP_X_CORRELATION_ID="abc-7", HTTP_TRACEPARENT=f"00-{TRACE}-{PARENT}-01")
    with logged(level="INFO") as records:
        _, headers, body = call(app, given)
        get_logger("shop").info("after")
    assert body == b"abcde"
    assert headers["X-Correlation-ID"] == "abc-7"
    assert [record.message for record in records] == ["begun", "going on", "GET /orders/7 200", "after"]
    assert [record.correlation_id for record in records] == ["abc-7", "abc-7", "abc-7", None]
    assert [record.trace_id for record in records] == [TRACE, TRACE, TRACE, None]
    assert records[2].attributes["bytes"] == 5
    assert onward == [
        {"X-Correlation-ID": "abc-7", "traceparent": f"00-{TRACE}-{records[0].span_id}-01"},
    ]


@pytest.mark.parametrize("bad", ["", "x" * 129, "a b", "a\r\nSet-Cookie: x", "-", "ä"])
def test_ids_that_nobody_should_write_are_replaced(bad: str) -> None:
    """A new one stands instead, in records and in the response."""
    with logged(level="INFO") as records:
        _, headers, _ = call(listed, environ(HTTP_X_CORRELATION_ID=bad))
    assert headers["X-Correlation-ID"] == records[0].correlation_id
    assert len(headers["X-Correlation-ID"]) == 32


def test_an_exception_stands_in_the_record_and_goes_on() -> None:
    """Raised by the application, or while its body is made: one record, ERROR, with its frames."""

    def at_once(_environ: Environ, _start: StartResponse) -> Iterable[bytes]:
        raise ZeroDivisionError("by nothing")

    def later(_environ: Environ, start: StartResponse) -> Iterator[bytes]:
        start("200 OK", [("Content-Type", "text/plain")])
        yield b"abc"
        raise ZeroDivisionError("by nothing")

    for app, status in ((at_once, 500), (later, 200)):
        with logged(level="INFO") as records, pytest.raises(ZeroDivisionError):
            call(app, environ())
        (record,) = records
        assert (record.level, record.attributes["status"]) == ("ERROR", status)
        assert record.attributes["exception"]["type"] == "ZeroDivisionError"  # type: ignore[index,call-overload]


def test_a_server_that_stops_early_is_told() -> None:
    """`close` before the end of the body: the client went away. The application's own `close` is called."""
    closed: list[bool] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a", b"b"])

        def close(self) -> None:
            closed.append(True)

    def app(_environ: Environ, start: StartResponse) -> Iterable[bytes]:
        start("200 OK", [])
        return Body()

    with logged(level="INFO") as records:
        body: Any = WsgiMiddleware(app)(environ(), lambda *_given: lambda _data: None)
        assert next(body) == b"a"
        body.close()
    assert closed == [True]
    assert [record.attributes["disconnected"] for record in records] == [True]
    assert records[0].attributes["bytes"] == 1


def test_a_list_goes_through_as_it_is() -> None:
    """Servers count a body that is one block, and then tell its length."""
    with logged(level="INFO") as records:
        body = WsgiMiddleware(listed)(environ(), lambda *_given: lambda _data: None)
    assert body == [b"abc"]
    assert len(records) == 1


def test_the_application_keeps_its_own_variables_for_the_whole_request() -> None:
    """What it sets when it is called is there while its body is made."""
    variable = contextvars.ContextVar("variable", default="unset")

    def app(_environ: Environ, start: StartResponse) -> Iterator[bytes]:
        variable.set("set")
        start("200 OK", [])

        def body() -> Iterator[bytes]:
            yield variable.get().encode()

        return body()

    body: Any = WsgiMiddleware(app)(environ(), lambda *_given: lambda _data: None)
    assert b"".join(body) == b"set"
    assert variable.get() == "unset"


def test_what_is_written_the_old_way_is_counted() -> None:
    """`start_response` gives a callable that writes at once; both ways count."""
    written = io.BytesIO()

    def app(_environ: Environ, start: StartResponse) -> Iterable[bytes]:
        start("200 OK", [])(b"abc")
        return [b"de"]

    with logged(level="INFO") as records:
        WsgiMiddleware(app)(environ(), lambda *_given: written.write)
    assert written.getvalue() == b"abc"
    assert records[0].attributes["bytes"] == 5


def test_the_route_is_told_where_the_framework_tells_it() -> None:
    """A framework's own code may write it into the environment."""

    def app(given: Environ, start: StartResponse) -> Iterable[bytes]:
        given["tamis.route"] = "/orders/<id>"
        return listed(given, start)

    with logged(level="INFO") as records:
        call(app, environ())
    assert records[0].attributes["route"] == "/orders/<id>"
