"""The rules over HTTP: what is kept, shown, refused, tried and told."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tamis.record.model import Columns, Record
from tamis.server.alerts.desk import AlertDesk
from tamis.settings import Settings, load_settings
from tamis.store.memory import MemoryStore
from tests.support.receivers import Receiver

pytestmark = pytest.mark.anyio
RULES = "/api/v1/rules"
TOKEN = "tamis_" + "t" * 43


@pytest.fixture
def settings() -> Settings:
    given = {"alerts.networks": "127.0.0.0/8", "alerts.url": "https://logs.example.org/"}
    return load_settings({"server.admin_token": TOKEN, **given}, {})


@pytest.fixture
def desk(app: FastAPI) -> Iterator[AlertDesk]:
    desk: AlertDesk = app.state.service.ready().alerts
    yield desk
    desk.stop()


def look(desk: AlertDesk) -> None:
    """What the thread does in a server that runs."""
    desk.turn()
    desk.courier.wait()


def put(store: MemoryStore, *messages: str, at_ns: int, **core: Any) -> None:
    store.append(Columns.of(Record(timestamp=at_ns, message=one, level="ERROR", **core) for one in messages))


async def test_a_rule_is_made_shown_changed_and_forgotten(
    caller: httpx2.AsyncClient, desk: AlertDesk
) -> None:
    """Durations as texts or seconds; what GET shows can be sent back."""
    made = await caller.post(
        RULES, json={"name": "errors", "query": "level>=error", "threshold": 3, "window": "5m"}
    )
    assert (made.status_code, made.json()["window_s"]) == (201, 300)
    assert (await caller.post(RULES, json={"name": "errors"})).status_code == 409
    shown = (await caller.get(f"{RULES}/errors")).json()
    assert (shown["query"], shown["status"]["state"]) == ("level>=error", "starting")
    look(desk)
    (shown,) = (await caller.get(RULES)).json()["rules"]
    assert shown["status"]["state"] == "ok"
    changed = await caller.put(f"{RULES}/errors", json={**shown, "threshold": 4})
    assert (changed.status_code, changed.json()["threshold"]) == (200, 4)
    assert (await caller.delete(f"{RULES}/errors")).status_code == 204
    assert (await caller.get(f"{RULES}/errors")).status_code == 404
    assert (await caller.delete(f"{RULES}/errors")).status_code == 404
    entries = (await caller.get(f"{RULES}/errors/history")).json()["history"]
    assert [entry["what"] for entry in entries] == ["removed", "changed", "made"]
    assert {entry["by"] for entry in entries} == {"admin"}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": "a b"}, "name"),
    ({"name": "history"}, "name"),
    ({"query": "level>="}, "query"),
    ({"query": "x | limit 3"}, "stats"),
    ({"query": "_time:-5m x"}, "window"),
    ({"query": "timestamp>0"}, "window"),
    ({"window": "soon"}, "window"),
    ({"window": "5m", "window_s": 300}, "twice"),
    ({"window_s": 0.01}, "window_s"),
    ({"kind": "often"}, "kind"),
    ({"kind": "absence", "threshold": 3}, "threshold"),
    ({"kind": "new_pattern", "by": ["service"]}, "by"),
    ({"of": "*"}, "of"),
    ({"kind": "rate", "of": "*", "threshold": 3}, "threshold"),
    ({"compare": "<"}, "compare"),
    ({"by": ["a", "b", "c", "d", "e"]}, "by"),
    ({"level": "loud"}, "level"),
    ({"notify": ["nobody"]}, "notify"),
    ({"colour": "red"}, "colour"),
    ({"threshold": "many"}, "threshold"),
    ({"threshold": 0}, "threshold"),
    ({"kind": "rate", "threshold": 0}, "threshold"),
    ({"name": ["x"]}, "name"),
    ({"name": {"x": 1}}, "name"),
    ({"window": ["5m"]}, "window"),
    ({"window_s": 10**400}, "window"),
    ({"threshold": 10**400}, "threshold"),
    ({"of_min": 10**400}, "of_min"),
    ({"by": 5}, "by"),
    ({"notify": "ops"}, "notify"),
]


@pytest.mark.parametrize(("given", "named"), WRONG, ids=[str(given) for given, _ in WRONG])
async def test_a_rule_that_is_none_is_refused_with_the_reason(
    caller: httpx2.AsyncClient, given: dict[str, Any], named: str
) -> None:
    """400, with a sentence that names the field."""
    answer = await caller.post(RULES, json={"name": "r", **given})
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["detail"]


async def test_channels_never_show_their_secrets(caller: httpx2.AsyncClient, desk: AlertDesk) -> None:
    """Not in lists, not in errors, not in the history; a channel that a rule names stays."""
    url = "slack+https://hooks.slack.com/services/T0/B0/geheim"
    assert (await caller.put(f"{RULES}/channels/ops", json={"url": url})).status_code == 201
    wrong = await caller.put(f"{RULES}/channels/bad", json={"url": "pagerduty+https://x.example?key=geheim"})
    assert wrong.status_code == 400
    mail = await caller.put(f"{RULES}/channels/mail", json={"url": "mailto:ops@example.org"})
    assert (mail.status_code, "alerts.mail" in mail.json()["detail"]) == (400, True)
    await caller.post(RULES, json={"name": "r", "notify": ["ops"]})
    assert (await caller.delete(f"{RULES}/channels/ops")).status_code == 400
    said = [wrong.text]
    said += [(await caller.get(f"{RULES}{path}")).text for path in ("", "/channels", "/history", "/r")]
    assert "geheim" not in "".join(said)
    assert '"shown":"slack hooks.slack.com:443"' in said[2]
    await caller.delete(f"{RULES}/r")
    assert (await caller.delete(f"{RULES}/channels/ops")).status_code == 204
    assert (await caller.delete(f"{RULES}/channels/ops")).status_code == 404


async def test_a_rule_fires_and_is_told(
    caller: httpx2.AsyncClient, desk: AlertDesk, store: MemoryStore
) -> None:
    """From the record to the receiver: lines, pattern, count and link; the history knows the delivery."""
    import time

    with Receiver() as receiver:
        url = f"webhook+http://127.0.0.1:{receiver.port}/in?secret=hush"
        await caller.put(f"{RULES}/channels/hook", json={"url": url})
        await caller.post(RULES, json={"name": "pay", "query": "pay", "by": ["service"], "notify": ["hook"]})
        look(desk)
        put(store, "pay 1 failed", at_ns=time.time_ns(), service="shop")
        look(desk)
        look(desk)
        (body,) = receiver.bodies
    assert (body["state"], body["count"], body["labels"]) == ("firing", 1, {"service": "shop"})
    assert body["groups"][0]["shape"] == "pay <*> failed"
    assert body["lines"][0]["message"] == "pay 1 failed"
    assert body["link"].startswith("https://logs.example.org/?q=pay+service%3A%3Dshop&start=")
    shown = (await caller.get(f"{RULES}/pay")).json()["status"]
    assert (shown["state"], shown["firing"][0]["labels"]) == ("firing", {"service": "shop"})
    entries = (await caller.get(f"{RULES}/pay/history?limit=2")).json()
    assert [entry["what"] for entry in entries["history"]] == ["delivered", "firing"]
    assert entries["history"][0]["notice"] == body["id"]
    rest = (await caller.get(f"{RULES}/pay/history?cursor={entries['next_cursor']}")).json()
    assert [entry["what"] for entry in rest["history"]] == ["made"]
    assert rest["next_cursor"] is None
    assert (
        b'tamis_alerts_deliveries_total{channel="webhook",result="delivered"} 1.0'
        in (await caller.get("/metrics")).content
    )


async def test_a_channel_is_tried(caller: httpx2.AsyncClient) -> None:
    """A trial notice now; what went wrong is said without the secret."""
    with Receiver() as receiver:
        url = f"slack+http://127.0.0.1:{receiver.port}/services/geheim"
        await caller.put(f"{RULES}/channels/ops", json={"url": url})
        assert (await caller.post(f"{RULES}/channels/ops/test")).json() == {"delivered": True, "problem": ""}
        assert "Tamis tries the channel ops for admin" in receiver.bodies[0]["text"]
    answer = (await caller.post(f"{RULES}/channels/ops/test")).json()
    assert (answer["delivered"], "geheim" in str(answer)) == (False, False)
    assert "nothing listens there" in answer["problem"]
    assert (await caller.post(f"{RULES}/channels/none/test")).status_code == 404


async def test_silences_say_who_and_why(caller: httpx2.AsyncClient) -> None:
    """Until when, by whom, for what reason; they end before their time too."""
    made = await caller.post(
        f"{RULES}/silences",
        json={"rule": "pay*", "labels": {"service": "a"}, "for": "1h", "reason": "release"},
    )
    assert made.status_code == 201
    (shown,) = (await caller.get(f"{RULES}/silences")).json()["silences"]
    assert (shown["rule"], shown["labels"], shown["by"], shown["reason"]) == (
        "pay*",
        {"service": "a"},
        "admin",
        "release",
    )
    assert (await caller.delete(f"{RULES}/silences/{shown['id']}")).status_code == 204
    assert (await caller.delete(f"{RULES}/silences/{shown['id']}")).status_code == 404
    assert (await caller.get(f"{RULES}/silences")).json()["silences"] == []
    for wrong in (
        {"for": "1h"},
        {"reason": "x"},
        {"reason": "x", "for": "1h", "until": "+1h"},
        {"reason": "x", "until": "-1h"},
        {"reason": "x", "for": "1h", "labels": {"a": 1}},
        {"reason": "x", "for": "1h", "who": "me"},
    ):
        assert (await caller.post(f"{RULES}/silences", json=wrong)).status_code == 400, wrong


async def test_a_dry_run_says_what_would_have_been_told(
    caller: httpx2.AsyncClient, desk: AlertDesk, store: MemoryStore
) -> None:
    """Of a rule that is kept and of one that is not; with the query that finds the records."""
    hour = 1_795_262_400 * 10**9
    put(store, "pay 1", "pay 2", at_ns=hour, service="a")
    put(store, "pay 3", "pay 4", at_ns=hour + 7_200 * 10**9, service="b")
    span = {"start": "2026-11-21T00:00:00Z", "end": "2026-11-22T00:00:00Z"}
    given = {"query": "pay", "threshold": 2, "window": "1m", "by": ["service"]}
    answer = (await caller.post(f"{RULES}/dry-run", json={**given, **span})).json()
    assert [(one["state"], one["labels"]["service"]) for one in answer["told"]] == [
        ("firing", "a"),
        ("over", "a"),
        ("firing", "b"),
        ("over", "b"),
    ]
    assert answer["told"][0]["at"].startswith("2026-11-21T12:00:00")
    assert answer["told"][0]["q"] == "pay service:=a"
    await caller.put(f"{RULES}/pay", json=given)
    again = (await caller.post(f"{RULES}/pay/dry-run", json=span)).json()
    assert again["told"] == answer["told"]
    for wrong in ({"days": 90}, {"start": "now", "end": "-1h"}, {"days": "x"}, {"start": "-1h", "days": 1}):
        assert (await caller.post(f"{RULES}/pay/dry-run", json=wrong)).status_code == 400, wrong
    assert (await caller.post(f"{RULES}/none/dry-run", json=span)).status_code == 404


async def test_strangers_learn_nothing(stranger: httpx2.AsyncClient) -> None:
    """Every route wants credentials."""
    for path in ("", "/channels", "/silences", "/history"):
        assert (await stranger.get(RULES + path)).status_code == 401


@pytest.mark.parametrize(
    "given",
    [
        {"for": 1e308},
        {"for": 10**400},
        {"for": "1e300s"},
        {"for": -5},
        {"for": ["2h"]},
        {"until": 10**400},
        {"until": True},
        {"until": {"x": 1}},
        {"for": "1h", "start": []},
        {"for": "1h", "rule": ["a"]},
        {"for": "1h", "reason": 5},
        {"for": "1h", "labels": {"a": 1}},
        {"for": "1h", "lables": {"a": "b"}},
    ],
    ids=str,
)
async def test_a_silence_that_is_none_is_refused(caller: httpx2.AsyncClient, given: dict[str, Any]) -> None:
    """400 with the field that is wrong, whatever its type and however large."""
    answer = await caller.post(f"{RULES}/silences", json={"rule": "*", "reason": "why", **given})
    assert answer.status_code == 400, answer.text
    assert (await caller.get(f"{RULES}/silences")).json()["silences"] == []


async def test_a_dry_run_refuses_what_it_does_not_know(caller: httpx2.AsyncClient, desk: AlertDesk) -> None:
    """In the body and in the query string: nothing is passed over."""
    await caller.post(RULES, json={"name": "r"})
    slip = await caller.post(f"{RULES}/r/dry-run", json={"day": 3})
    assert (slip.status_code, "days" in slip.text) == (400, True)
    assert (await caller.post(f"{RULES}/r/dry-run?days=3")).status_code == 400
    assert (await caller.post(f"{RULES}/dry-run", json={"query": "x", "day": 3})).status_code == 400
    assert (await caller.post(f"{RULES}/r/dry-run", json={"days": 10**400})).status_code == 400


async def test_a_channel_has_the_server_open_no_file(caller: httpx2.AsyncClient) -> None:
    """Its URL is a caller's word: a ca_file in it is refused, in words of this interface."""
    for family in ("webhook+https", "slack+https", "smtps"):
        url = f"{family}://x.example/in?ca_file=/etc/passwd&to=a@x.example"
        answer = await caller.put(f"{RULES}/channels/c", json={"url": url})
        assert answer.status_code == 400, answer.text
        assert answer.json()["parameter"] == "url"
        assert "ca_file" in answer.json()["detail"]
    assert (await caller.get(f"{RULES}/channels")).json()["channels"] == []
