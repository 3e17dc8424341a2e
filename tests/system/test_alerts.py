"""Alert rules of a real server: an alert is told once, whenever the server is killed."""

import logging
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tamis.http_client import HttpClient
from tamis.http_client.address import parse_address
from tests.support.commands import TOKEN, Server, running_server, start_server, tamis, wait_for
from tests.support.faulty_server import Reply, Request, stall
from tests.support.receivers import MailServer, Receiver

HERE = {"TAMIS_ALERTS_NETWORKS": "127.0.0.0/8", "TAMIS_ALERTS_INTERVAL_S": "0.1"}
SLOW = {**HERE, "TAMIS_ALERTS_INTERVAL_S": "60"}
WAIT_S = 60.0


@pytest.fixture
def quiet_mail_server() -> Iterator[None]:
    """Its log is not ours."""
    log = logging.getLogger("mail.log")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


class Rules:
    """The rules of a server, and records for them."""

    def __init__(self, server: Server) -> None:
        self._client = HttpClient(parse_address(server.url), TOKEN)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else msgspec.json.encode(body)
        answer = self._client.request(method, f"/api/v1/{path}", body=data)
        return answer.json() if answer.body else None

    def make(self, port: int, **more: Any) -> None:
        """A rule that tells a webhook on this port of each `pay`."""
        url = f"webhook+http://127.0.0.1:{port}/in?secret=hush"
        self.send("PUT", "rules/channels/hook", {"url": url})
        self.send("PUT", "rules/pay", {"query": "pay", "notify": ["hook"], **more})
        assert wait_for(lambda: self.send("GET", "rules/pay")["status"]["state"] == "ok", WAIT_S)

    def put(self, message: str = "pay 1 failed") -> None:
        body = f'{{"level":"error","service":"shop","message":"{message}"}}\n'.encode()
        assert self._client.request("POST", "/api/v1/ingest", body=body).json()["stored"] == 1

    def happened(self) -> list[str]:
        """Oldest first."""
        return [one["what"] for one in reversed(self.send("GET", "rules/pay/history")["history"])]

    def wait_for(self, what: str) -> None:
        assert wait_for(lambda: what in self.happened(), WAIT_S), self.happened()

    def close(self) -> None:
        self._client.close()


def test_what_was_stored_before_a_kill_is_told_after_it(tmp_path: Path) -> None:
    """Killed between the record and the look at it: the next start looks, and tells once."""
    with Receiver() as receiver:
        server = start_server(tmp_path, **SLOW)
        rules = Rules(server)
        rules.make(receiver.port)
        rules.put()
        server.kill()
        rules.close()
        with running_server(tmp_path, **HERE) as server:
            rules = Rules(server)
            rules.wait_for("delivered")
            rules.close()
        (body,) = receiver.bodies
    assert (body["state"], body["count"], body["lines"][0]["message"]) == ("firing", 1, "pay 1 failed")


def test_what_was_to_be_told_before_a_kill_is_told_after_it(tmp_path: Path) -> None:
    """Killed between evaluation and delivery: it stands in the outbox, and is told once, when the receiver is back."""
    with Receiver() as receiver:
        server = start_server(tmp_path, **HERE)
        rules = Rules(server)
        rules.make(receiver.port)
        receiver.refuse()
        rules.put()
        rules.wait_for("put_off")
        server.kill()
        rules.close()
        receiver.listen()
        with running_server(tmp_path, **HERE) as server:
            rules = Rules(server)
            rules.wait_for("delivered")
            rules.put()
            assert rules.happened().count("firing") == 1
            rules.close()
        (body,) = receiver.bodies
    assert body["count"] == 1


class Killer(Receiver):
    """Kills the server that tells it something, before it answers for the first time."""

    kill: Callable[[], None] | None = None

    def answer(self, request: Request) -> Reply:
        kill, self.kill = self.kill, None
        if kill is not None:
            kill()
        return super().answer(request)


def test_a_kill_between_the_answer_and_its_note_repeats_under_the_same_key(tmp_path: Path) -> None:
    """Nobody can know whether it arrived: once more, and the receiver sees by the key that it is the same."""
    with Killer() as receiver:
        server = start_server(tmp_path, **HERE)
        rules = Rules(server)
        rules.make(receiver.port)
        receiver.kill = server.kill
        rules.put()
        assert wait_for(lambda: server.process.poll() is not None, WAIT_S)
        rules.close()
        with running_server(tmp_path, **HERE) as server:
            rules = Rules(server)
            rules.wait_for("delivered")
            rules.put("pay 2 failed")
            assert rules.happened().count("delivered") == 1
            rules.close()
        first, second = receiver.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


def test_a_server_stops_at_once_while_a_receiver_hangs(tmp_path: Path) -> None:
    """What is under way is given a moment, no more; it is told at the next start."""
    with Receiver() as receiver:
        receiver.always(stall())
        with running_server(tmp_path, **HERE) as server:
            rules = Rules(server)
            rules.make(receiver.port)
            rules.put()
            receiver.wait_until(lambda: bool(receiver.requests), WAIT_S)
            rules.close()
            assert server.stop() == 0


def test_the_own_network_is_refused_unless_allowed(tmp_path: Path) -> None:
    """A webhook on this machine is not told without the setting, and the reason says which."""
    with Receiver() as receiver, running_server(tmp_path, TAMIS_ALERTS_INTERVAL_S="0.1") as server:
        rules = Rules(server)
        rules.make(receiver.port)
        rules.put()
        rules.wait_for("put_off")
        (entry,) = [one for one in rules.send("GET", "rules/history")["history"] if one["what"] == "put_off"][
            :1
        ]
        rules.close()
        assert not receiver.requests
    assert "alerts.networks" in entry["reason"]


@pytest.mark.usefixtures("quiet_mail_server")
def test_the_commands_make_try_and_explain_rules(tmp_path: Path) -> None:
    """From a file to a mail, by the command line alone."""
    (tmp_path / "rules.toml").write_text(
        '[[rule]]\nname = "pay"\nquery = "pay"\nby = ["service"]\nnotify = ["ops"]\nwindow = "1m"\n'
    )
    with MailServer() as mail:
        relay = f"smtp://127.0.0.1:{mail.port}?from=tamis@example.org"
        with running_server(tmp_path, TAMIS_ALERTS_MAIL=relay, TAMIS_ALERTS_INTERVAL_S="0.1") as server:
            where = ("--url", server.url)
            client = {"home": tmp_path, "TAMIS_TOKEN": TOKEN}

            def say(*arguments: str, given: str = "", code: int = 0) -> str:
                ran = tamis("rules", *arguments, *where, given=given, **client)  # type: ignore[arg-type]  # a path and texts
                assert ran.code == code, ran.err
                return ran.out + ran.err

            say("channels", "set", "ops", given="mailto:ops@example.org\n")
            assert "smtp 127.0.0.1" in say("channels", "list")
            say("channels", "test", "ops")
            assert "pay: kept" in say("add", "rules.toml")
            rules = Rules(server)
            assert wait_for(lambda: rules.send("GET", "rules/pay")["status"]["state"] == "ok", WAIT_S)
            rules.put()
            rules.wait_for("delivered")
            rules.close()
            assert say("list").startswith("firing    pay  threshold  pay")
            assert "service=shop" in say("show", "pay")
            assert "firing  service=shop" in say("history", "pay")
            assert "would have fired 1 times" in say("dry-run", "pay", "--days", "1")
            assert "would have fired 1 times" in say("dry-run", "rules.toml")
            with (tmp_path / "rules.toml").open("a") as more:
                more.write('[[rule]]\nname = "often"\nquery = "pay | stats count()"\nevery = "1s"\n')
            some = say("dry-run", "rules.toml", code=1)
            assert "pay: would have fired 1 times" in some
            assert "often: not tried: " in some
            assert "604,800 times, over 5,000" in some
            silence = say("silence", "pay", "--for", "1h", "--label", "service=shop", "--reason", "release")
            assert "service=shop" in say("silences")
            say("unsilence", silence.split()[0])
            say("remove", "pay")
            assert "no rule 'pay'" in say("show", "pay", code=3)
    trial, alert = mail.messages
    assert "tries the channel ops" in str(trial["Subject"])
    assert alert["Subject"] == "[ALERT] pay (service=shop): 1 record within 60 s: pay <*> failed"
    assert isinstance(alert, EmailMessage)
    assert f"{server.url}/?q=pay+service" in alert.get_content()
