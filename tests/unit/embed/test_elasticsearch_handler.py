"""`ElasticsearchHandler`: standard `logging` into a cluster, also alone in `dictConfig`."""

import logging
import logging.config
from collections.abc import Iterator
from pathlib import Path

import pytest

import tamis
from tamis.embed.handlers.elasticsearch import sink_url
from tamis.errors import ConfigError
from tests.support.elasticsearch_server import ElasticsearchServer

SECRET = "hunter2"


@pytest.fixture
def server() -> Iterator[ElasticsearchServer]:
    with ElasticsearchServer(user="shop", password=SECRET) as made:
        yield made


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.Logger("shop.orders", logging.DEBUG)
    yield logger
    for handler in list(logger.handlers):
        handler.close()


def handler_for(server: ElasticsearchServer, folder: Path, **more: object) -> "tamis.ElasticsearchHandler":
    return tamis.ElasticsearchHandler(
        server.url,
        "shop-%Y.%m.%d",
        user="shop",
        password=SECRET,
        spool_folder=str(folder),
        service="shop",
        **more,  # type: ignore[arg-type]  # settings of any kind
    )


def test_records_arrive_with_their_fields(
    server: ElasticsearchServer, log: logging.Logger, tmp_path: Path
) -> None:
    """Message, level, logger, service, fields of `extra` and exceptions."""
    log.addHandler(handler := handler_for(server, tmp_path))
    log.info("order %d", 7, extra={"order_id": 7})
    try:
        raise ValueError("no stock")
    except ValueError:
        log.exception("order failed")
    handler.flush()
    first, second = server.sources("shop-*")
    assert (first["message"], first["log.level"], first["service.name"]) == ("order 7", "INFO", "shop")
    assert first["attributes"]["order_id"] == 7
    assert (second["error.type"], second["error.message"]) == ("ValueError", "no stock")
    assert handler.metrics.snapshot().sinks[handler.sink.name].delivered == 2
    assert handler.traffic.requests >= 2


def test_dict_config_needs_nothing_else(server: ElasticsearchServer, tmp_path: Path) -> None:
    """A class, a URL, an index."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "cluster": {
                    "class": "tamis.ElasticsearchHandler",
                    "url": f"opensearch+http://shop:{SECRET}@127.0.0.1:{server.port}/shop",
                    "options": {"batch_records": "10"},
                    "spool_folder": str(tmp_path),
                }
            },
            "loggers": {"shop.configured": {"handlers": ["cluster"], "level": "INFO", "propagate": False}},
        }
    )
    logger = logging.getLogger("shop.configured")
    handler = logger.handlers[0]
    try:
        logger.warning("configured")
        handler.flush()
        assert [source["message"] for source in server.sources("shop")] == ["configured"]
    finally:
        logger.removeHandler(handler)
        handler.close()


def test_repeats_are_suppressed_when_wished(
    server: ElasticsearchServer, log: logging.Logger, tmp_path: Path
) -> None:
    """None is lost: the repeats arrive as one record that says how many it stands for."""
    log.addHandler(handler := handler_for(server, tmp_path, suppress=True))
    for _ in range(10):
        log.warning("the same")
    handler.close()
    found = server.sources("shop-*")
    assert [source["message"] for source in found] == ["the same", "the same"]
    assert found[1]["attributes"]["repeat_count"] == 9


def test_what_a_cluster_was_away_for_arrives_later(
    server: ElasticsearchServer, log: logging.Logger, tmp_path: Path
) -> None:
    """It waits in the spool, and a new handler of the same cluster delivers it."""
    server.refuse()
    log.addHandler(handler := handler_for(server, tmp_path, exit_s=0.5))
    log.error("while away")
    handler.close()
    log.removeHandler(handler)
    assert server.count() == 0
    server.listen()
    log.addHandler(again := handler_for(server, tmp_path, spool_adopt_interval_s=0.05))
    log.error("and back")
    server.wait_until(lambda: server.count() == 2)
    again.close()
    assert sorted(source["message"] for source in server.sources()) == ["and back", "while away"]


@pytest.mark.parametrize(
    ("url", "index", "said"),
    [
        (f"{SECRET}", "shop", "URL"),
        (f"http://u:{SECRET}@[::1", "shop", "URL"),
        (f"http://u:{SECRET}@host:9200", "shop", "leave one of them out"),
        (f"http://u:{SECRET}#@host:9200", "shop", "%23"),
        (f"http://u:{SECRET}", "shop", "URL"),
        ("http://host:9200", "", "index"),
        ("http://host:9200", "Shop", "index"),
    ],
)
def test_what_is_wrong_is_told_without_secrets(url: str, index: str, said: str) -> None:
    """At once, where the handler is made."""
    with pytest.raises(ConfigError, match=said) as caught:
        tamis.ElasticsearchHandler(url, index, user="u", password=SECRET)
    assert SECRET not in str(caught.value)


def test_parts_become_the_sinks_url() -> None:
    """Whatever is in a password, and options beside those of the URL."""
    made = sink_url("https://h:9200/p", "i-%Y", user="a@b", password="c/d:e", options={"gzip": "off"})
    assert made == "elasticsearch+https://a%40b:c%2Fd%3Ae@h:9200/p/i-%Y?gzip=off"
    assert sink_url("opensearch+http://h/i?wait=1s", "", user="", password="", options={"api_key": "k="}) == (
        "opensearch+http://h/i?wait=1s&api_key=k%3D"
    )
