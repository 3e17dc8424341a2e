"""AlertingHandler, and alerts of a configured pipeline: from a log call to somebody who is told."""

import logging
import logging.config
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tamis.embed.handlers.alerting import AlertingHandler
from tamis.embed.manager import LoggingManager, configure
from tamis.errors import ConfigError
from tamis.pipeline.alerts.sink import AlertSink
from tests.support.faulty_server import FOREVER, refuse_with, stall
from tests.support.hand_clock import HandClock
from tests.support.receivers import MailServer, Receiver
from tests.support.sinks import until


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        yield server


@pytest.fixture(autouse=True)
def _spool_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits stands in a folder of the test's own."""
    monkeypatch.setenv("TAMIS_SPOOL_FOLDER", str(tmp_path / "state"))


def logger_of(handler: logging.Handler) -> logging.Logger:
    logger = logging.Logger("shop.pay")
    logger.addHandler(handler)
    return logger


def hook(receiver: Receiver) -> str:
    return f"webhook+http://127.0.0.1:{receiver.port}/"


def states(receiver: Receiver) -> list[tuple[str, int]]:
    return [(body["state"], body["count"]) for body in receiver.bodies]


def test_errors_fire_go_on_and_are_over(receiver: Receiver) -> None:
    """The threshold of the settings is 10; then one notice a cool-down, by the handler's own thread."""
    clock = HandClock()
    handler = AlertingHandler(hook(receiver), clock=clock)
    log = logger_of(handler)
    for number in range(25):
        log.error("payment %d failed", number)
        log.info("payment %d done", number)
    handler.flush()
    assert states(receiver) == [("firing", 10)]
    clock.pass_s(300)
    handler.alerts.tick()
    handler.flush()
    assert states(receiver) == [("firing", 10), ("over", 25)]
    handler.close()


def test_a_closed_handler_tells_nothing_more(receiver: Receiver) -> None:
    """Neither that it goes on nor that it is over, and its thread ends: somebody else may listen there by then."""
    clock, before = HandClock(), set(threading.enumerate())
    handler = AlertingHandler(hook(receiver), threshold_errors=1, clock=clock)
    logger_of(handler).error("no")
    handler.flush()
    handler.close()
    until(lambda: "tamis alerts" not in {thread.name for thread in {*threading.enumerate()} - before})
    clock.pass_s(300)
    handler.alerts.tick()
    assert handler.alerts.wait(60.0)
    assert states(receiver) == [("firing", 1)]


def test_the_threshold_comes_from_the_environment(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TAMIS_ALERT_THRESHOLD_ERRORS, as every setting."""
    monkeypatch.setenv("TAMIS_ALERT_THRESHOLD_ERRORS", "2")
    monkeypatch.setenv("TAMIS_ALERT_CHANNELS", hook(receiver))
    handler = AlertingHandler()
    log = logger_of(handler)
    for _ in range(2):
        log.error("no")
    handler.flush()
    handler.close()
    assert states(receiver) == [("firing", 2)]


def test_what_an_alert_carries_is_redacted(receiver: Receiver) -> None:
    """Secrets in messages and exceptions do not reach a chat."""
    handler = AlertingHandler(hook(receiver), threshold_errors=1)
    try:
        raise ValueError("card 4111 1111 1111 1111")
    except ValueError:
        logger_of(handler).exception("no mail to ada@example.org")
    handler.flush()
    handler.close()
    (body,) = receiver.bodies
    assert "ada@example.org" not in str(body)
    assert "4111 1111 1111 1111" not in str(body)
    assert body["lines"][0]["error"].startswith("ValueError: card")


def test_a_rule_matches_fields(receiver: Receiver) -> None:
    """In the language of searches."""
    handler = AlertingHandler(hook(receiver), threshold_errors=0, rules=["duration_ms>500 service:*"])
    log = logger_of(handler)
    log.info("slow", extra={"duration_ms": 400})
    log.info("slow", extra={"duration_ms": 501})
    handler.flush()
    handler.close()
    assert [(body["rule"], body["count"]) for body in receiver.bodies] == [("duration_ms>500 service:*", 1)]


@pytest.mark.parametrize("rule", ["level:[", "error | stats count()", "message:/(/"])
def test_a_rule_that_is_no_filter_is_refused(rule: str) -> None:
    """When it is configured, not when it would have fired."""
    with pytest.raises(ConfigError, match=r"alert\.rules"):
        AlertingHandler("webhook+http://127.0.0.1:9/", rules=[rule])


def test_a_handler_that_tells_nobody_is_refused() -> None:
    """Better at the start than in the night."""
    with pytest.raises(ConfigError, match=r"alert\.channels"):
        AlertingHandler()


def test_a_receiver_that_comes_back_is_told_once(receiver: Receiver) -> None:
    """Tried again after its failure, under the same id; nothing is told twice."""
    receiver.script(refuse_with(503, retry_after="0.01"))
    handler = AlertingHandler(hook(receiver), threshold_errors=1)
    logger_of(handler).error("no")
    until(lambda: receiver.statuses == [503, 202])
    handler.close()
    assert len({body["id"] for body in receiver.bodies}) == 1
    assert receiver.statuses == [503, 202]


def test_a_receiver_that_hangs_delays_neither_callers_nor_other_channels(receiver: Receiver) -> None:
    """The mail arrives while the webhook hangs, and logging goes on."""
    receiver.always(stall(FOREVER))
    with MailServer() as mail:
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)
        handler = AlertingHandler(
            [hook(receiver), f"smtp://127.0.0.1:{mail.port}?to=ops@example.org"], threshold_errors=1
        )
        log = logger_of(handler)
        log.error("one")
        until(lambda: len(mail.messages) == 1)
        log.error("disk full")
        until(lambda: len(mail.messages) == 2)
        receiver.clear()
        handler.flush()
        handler.close()
    assert sorted(states(receiver)) == [("firing", 1)] * 2


def test_an_alert_that_could_not_be_told_is_told_by_the_next_process(
    receiver: Receiver, tmp_path: Path
) -> None:
    """It stands in the spool when the handler closes, and goes out when the next one sees its first record."""
    receiver.refuse()
    first = AlertingHandler(hook(receiver), threshold_errors=1, exit_s=0.2)
    logger_of(first).error("before")
    first.flush()
    first.close()
    receiver.listen()
    second = AlertingHandler(hook(receiver), threshold_errors=1)
    logger_of(second).info("all is well")
    until(lambda: len(receiver.requests) == 1)
    second.close()
    assert [body["lines"][0]["message"] for body in receiver.bodies] == ["before"]


def test_it_works_alone_in_dict_config(receiver: Receiver) -> None:
    """As any handler of standard logging."""
    config: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {
            "alerts": {
                "class": "tamis.AlertingHandler",
                "channels": [hook(receiver)],
                "threshold_errors": 2,
                "level": "ERROR",
            }
        },
        "loggers": {"shop.dict": {"handlers": ["alerts"], "propagate": False}},
    }
    logging.config.dictConfig(config)
    log = logging.getLogger("shop.dict")
    (handler,) = log.handlers
    log.error("one")
    log.error("two")
    handler.flush()
    handler.close()
    log.handlers.clear()
    log.propagate = True
    assert states(receiver) == [("firing", 2)]


def test_a_configured_pipeline_tells_without_a_handler(receiver: Receiver) -> None:
    """`alert.channels` puts the watch behind the chain, beside the sinks."""
    manager = configure(
        service="shop", sinks=["memory"], alert_channels=[hook(receiver)], alert_threshold_errors=2
    )
    try:
        log = logging.getLogger("shop.configured")
        log.error("one")
        log.error("two")
        manager.flush()
        until(lambda: len(receiver.requests) == 1)
        assert receiver.bodies[0]["service"] == "shop"
    finally:
        manager.uninstall()
        assert LoggingManager._one is None


def test_a_forked_child_tells_of_its_own_errors(receiver: Receiver) -> None:
    """It counts from nothing, and what the parent counted stays the parent's."""
    handler = AlertingHandler(hook(receiver), threshold_errors=3)
    log = logger_of(handler)
    log.error("one")
    log.error("two")
    handler.flush()
    child = os.fork()
    if child == 0:
        try:
            for _ in range(3):
                log.error("in the child")
            handler.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.error("three")
    handler.flush()
    handler.close()
    told = [sorted({line["message"] for line in body["lines"]}) for body in receiver.bodies]
    assert sorted(told) == [["in the child"], ["one", "three", "two"]]


def test_the_sink_counts_what_it_told(receiver: Receiver) -> None:
    """The sum holds for channels too."""
    handler = AlertingHandler(hook(receiver), threshold_errors=1)
    sink = handler.alerts
    assert isinstance(sink, AlertSink)
    logger_of(handler).error("no")
    handler.flush()
    (channel,) = sink.metrics.snapshot().sinks.values()
    assert (channel.sent, channel.delivered, channel.accounted) == (1, 1, 1)
    handler.close()


def test_alerts_go_on_when_sinks_change_and_follow_their_own_settings(receiver: Receiver) -> None:
    """What was counted is kept when sinks change; another threshold begins anew."""
    manager = configure(
        service="shop", sinks=["memory"], alert_channels=[hook(receiver)], alert_threshold_errors=2
    )
    try:
        log = logging.getLogger("shop.changed")
        log.error("one")
        manager.flush()
        manager.change(sinks=["memory", "stderr"])
        log.error("two")
        manager.flush()
        until(lambda: len(receiver.requests) == 1)
        manager.change(alert_threshold_errors=1)
        log.error("three")
        manager.flush()
        until(lambda: len(receiver.requests) == 2)
        manager.change(alert_channels=[])
        log.error("four")
        manager.flush()
    finally:
        manager.uninstall()
    assert states(receiver) == [("firing", 2), ("firing", 1)]


def test_a_fork_after_an_alert_leaves_both_processes_able_to_tell(receiver: Receiver) -> None:
    """The channel's spool and connection are the parent's; the child has its own."""
    handler = AlertingHandler(hook(receiver), threshold_errors=1)
    log = logger_of(handler)
    log.error("before the fork")
    handler.flush()
    child = os.fork()
    if child == 0:
        try:
            log.error("in the child")
            handler.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log.error("in the parent")
    handler.flush()
    handler.close()
    assert sorted(body["lines"][0]["message"] for body in receiver.bodies) == [
        "before the fork",
        "in the child",
        "in the parent",
    ]
    assert len({body["id"] for body in receiver.bodies}) == 3


def test_a_rule_may_be_one_text(receiver: Receiver) -> None:
    """It is one query, and not as many as it has letters."""
    handler = AlertingHandler(hook(receiver), rules="level:critical", threshold_errors=0)
    assert handler.config.settings.alert.rules == ("level:critical",)
    logger_of(handler).info("l e v c")
    handler.flush()
    assert receiver.bodies == []
    handler.close()
