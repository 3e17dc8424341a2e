"""What a sink's URL may say, and that errors show nothing secret."""

import base64
from typing import Any

import pytest

from tamis.errors import ConfigError
from tamis.pipeline.sinks import create_sink
from tamis.pipeline.sinks.elasticsearch import ElasticsearchSink
from tamis.pipeline.sinks.otlp import OtlpSink
from tamis.pipeline.sinks.tamis_server import TamisSink
from tamis.pipeline.sinks.url import basic_credentials, parse_sink_url
from tamis.settings import load_settings

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://", "host"),
        (f"http://{SECRET}@", "host"),
        (f"http://{SECRET}@host:port", "no URL"),
        (f"http://{SECRET}/x@host:4817", "@ behind the host"),
        (f"http://user:{SECRET}/x@host:4817", "no URL"),
        (f"http://user:{SECRET}?x@host:4817", "no URL"),
        (f"http://user:{SECRET}#x@host:4817", "no URL"),
        (f"http://{SECRET}@host:99999", "a port over 65535"),
        (f"http://{SECRET}@host:0", "port 0"),
        (f"http://{SECRET}@host#part", "#"),
        (f"http://{SECRET}@host?compress=brotli", "compress"),
        (f"http://{SECRET}@host?wait=soon", "wait"),
        (f"http://{SECRET}@host?batch_records=0", "batch_records"),
        (f"http://{SECRET}@host?batch_records=1001", "batch_records"),
        (f"http://{SECRET}@host?batch_bytes=x", "batch_bytes"),
        (f"http://{SECRET}@host?verify=perhaps", "verify"),
        (f"http://{SECRET}@host?verify=off&ca_file=/ca.pem", "ca_file"),
        (f"http://{SECRET}@host?tokn={SECRET}", "tokn"),
        (f"http://{SECRET}@host?wait=1&wait=2", "twice"),
        (f"http://{SECRET}%0a@host", "header"),
        (f"elasticsearch+http://u:{SECRET}@host:9200", "index"),
        (f"elasticsearch+http://u:{SECRET}@host:9200/Shop", "index"),
        (f"elasticsearch+http://u:{SECRET}@host:9200/_shop", "index"),
        (f"elasticsearch+http://u:{SECRET}@host:9200/shop-%S", "%S"),
        (f"elasticsearch+http://u:{SECRET}@host:9200/shop-%Y?data_stream=on", "data stream"),
        (f"elasticsearch+http://u:{SECRET}@host:9200/shop?api_key=k", "api_key"),
        (f"elasticsearch+http://host:9200/shop?api_key={SECRET}%0a", "api_key"),
        (f"elasticsearch+http://u%3Av:{SECRET}@host:9200/shop", "colon"),
        (f"elasticsearch+ftp://u:{SECRET}@host:9200/shop", "no such sink"),
        (f"otlp+http://{SECRET}@host?encoding=avro", "encoding"),
        (f"otlp+http://{SECRET}@host?header.a%20b={SECRET}", "header"),
        (f"otlp+http://host?header.X-Key={SECRET}%0a", "header"),
        (f"gopher://{SECRET}@host", "no such sink"),
        (SECRET, "no such sink"),
    ],
)
def test_a_wrong_url_is_told_without_its_secrets(url: str, said: str) -> None:
    """ConfigError names what is wrong, and neither message nor facts hold token, password or key."""
    with pytest.raises(ConfigError) as caught:
        create_sink(url, load_settings({}, {}))
    error = caught.value
    assert said in error.reason
    assert SECRET not in str(error)
    assert SECRET not in repr(vars(error))
    assert error.__cause__ is None or SECRET not in repr(error.__cause__)


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("http://t@127.0.0.1:4817", TamisSink, "tamis http://127.0.0.1:4817"),
        ("https://t@logs.example/behind/proxy", TamisSink, "tamis https://logs.example/behind/proxy"),
        ("http://[::1]:4817", TamisSink, "tamis http://[::1]:4817"),
        ("HTTP://host", TamisSink, "tamis http://host"),
        (
            "opensearch+https://u:p@host:9200/shop-%Y.%m.%d",
            ElasticsearchSink,
            "opensearch https://host:9200/shop-%Y.%m.%d",
        ),
        ("elasticsearch+http://host/shop?api_key=k", ElasticsearchSink, "elasticsearch http://host/shop"),
        ("otlp+http://host:4318", OtlpSink, "otlp http://host:4318"),
    ],
)
def test_names_say_where_records_go(url: str, kind: type, name: str) -> None:
    """Family, host and path; nothing else."""
    sink = create_sink(url, load_settings({}, {}))
    assert isinstance(sink, kind)
    assert sink.name == name


def test_batch_limits_can_be_given() -> None:
    """Records, bytes and how long the oldest waits, with the settings' units."""
    sink = create_sink("http://host?batch_records=7&batch_bytes=64KiB&wait=250ms", load_settings({}, {}))
    assert (sink.limits.records, sink.limits.bytes, sink.limits.wait_s) == (7, 65_536, 0.25)


def test_percent_signs_in_passwords_are_what_they_stand_for() -> None:
    """Any character can stand in a password, written as in every URL."""
    parts = parse_sink_url("elasticsearch+http://us%40er:p%3A%2F%3F%23%40%25w@host:9200/shop")
    header = basic_credentials(parts)["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(header) == b"us@er:p:/?#@%w"


def test_what_is_parsed_shows_no_secret() -> None:
    """The repr of a parsed URL has neither user nor password nor options."""
    shown = repr(parse_sink_url(f"elasticsearch+http://{SECRET}:{SECRET}@host:9200/shop?api_key={SECRET}"))
    assert SECRET not in shown


def test_the_settings_token_serves_a_url_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL's own comes first, then the settings', then TAMIS_TOKEN."""

    def shown(url: str, settings: Any) -> str:
        sink: Any = create_sink(url, settings)
        return str(sink._endpoint._headers.get("Authorization"))

    settings = load_settings({"client.token": "from-settings"}, {})
    assert shown("http://from-url@host", settings) == "Bearer from-url"
    assert shown("http://host", settings) == "Bearer from-settings"
    monkeypatch.setenv("TAMIS_TOKEN", "from-environment")
    assert shown("http://host", load_settings({}, {})) == "Bearer from-environment"


def test_what_is_wrong_is_told_with_the_url_as_it_was_written() -> None:
    """Its scheme, host and port, whatever family of sinks it is."""
    for url in ("http://h:4817", "otlp+http://h:4318"):
        with pytest.raises(ConfigError) as caught:
            create_sink(url.replace("h:", f"{SECRET}@h:") + "?compres=zstd", load_settings({}, {}))
        assert caught.value.value == url
        assert "compres" in str(caught.value)
