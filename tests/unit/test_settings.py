"""Settings: where values come from, how they are read, what errors say."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.errors import ConfigError
from tamis.settings import TABLE, RetentionRule, ServerSettings, Settings, load_settings
from tamis.settings.kinds import parse_bytes, parse_seconds, show_bytes, show_seconds


def load(arguments=None, environ=None, toml: Path | None = None) -> Settings:
    return load_settings(arguments or {}, environ or {}, toml)


@pytest.fixture
def toml(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "tamis.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_defaults_are_there_without_any_source():
    """A machine that says nothing gets the documented defaults."""
    settings = load()
    assert settings.server.host == "127.0.0.1"
    assert settings.server.port == 4817
    assert settings.server.body_bytes_max == 64 * 2**20
    assert settings.store.durability == "disk"
    assert settings.store.batch_ids_age_s == 86_400


def test_precedence_is_argument_environment_file_default(toml):
    """The first source that speaks wins, in the promised order."""
    path = toml("[server]\nport = 1\nhost = '::1'\nstop_grace_s = 9\n")
    environ = {"TAMIS_SERVER_PORT": "2", "TAMIS_SERVER_HOST": "localhost"}
    settings = load({"server.port": 3}, environ, path)
    assert (settings.server.port, settings.server.host, settings.server.stop_grace_s) == (3, "localhost", 9)
    sources = {row.key: row.source for row in settings.resolved()}
    assert sources["server.port"] == "argument"
    assert sources["server.host"] == "environment TAMIS_SERVER_HOST"
    assert sources["server.stop_grace_s"] == f"file {path}"
    assert sources["server.data"] == "default"


def test_the_environment_names_the_file(toml):
    """TAMIS_CONFIG names the TOML file; the argument comes before it."""
    path = toml("[server]\nport = 1\n")
    assert load(environ={"TAMIS_CONFIG": str(path)}).server.port == 1
    with pytest.raises(ConfigError, match="cannot be read"):
        load(environ={"TAMIS_CONFIG": str(path)}, toml=path.with_name("absent.toml"))


def test_an_argument_that_was_not_given_decides_nothing():
    """None is how a command line says that an option was left out."""
    assert load({"server.port": None}, {"TAMIS_SERVER_PORT": "7"}).server.port == 7


def test_an_empty_variable_is_not_set():
    """Compose files pass empty variables for what is not set outside."""
    assert load(environ={"TAMIS_SERVER_PORT": "", "TAMIS_CONFIG": ""}).server.port == 4817


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("server.body_bytes_max", "100MB", 100_000_000),
        ("server.body_bytes_max", "64KiB", 65_536),
        ("server.body_bytes_max", "1.5 gib", 1_610_612_736),
        ("server.body_bytes_max", "123", 123),
        ("store.disk_bytes_max", "off", 0),
        ("store.segment_age_s", "5m", 300.0),
        ("store.segment_age_s", "1h30m", 5_400.0),
        ("store.segment_age_s", "250ms", 0.25),
        ("store.segment_age_s", "12.5", 12.5),
        ("store.retention_age_s", "3d", 259_200.0),
        ("store.retention_age_s", "off", 0.0),
        ("store.segment_records", "1_000", 1_000),
        ("server.allow_insecure", "Yes", True),
        ("server.allow_insecure", "0", False),
        ("ingest.time_fields", "when, at ,", ("when", "at")),
        ("ingest.zone", "UTC", "UTC"),
        ("server.tls_cert", "", None),
    ],
)
def test_text_is_read_by_kind(key, text, value):
    """Sizes, durations, lists and the rest are read from text as the reference says."""
    assert load({key: text}).value(key) == value


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("server.port", "http", "must be a whole number"),
        ("server.port", 70_000, "must be at most 65,535"),
        ("server.port", True, "must be a whole number"),
        ("server.port", 1.5, "must be a whole number"),
        ("server.body_bytes_max", "64 parsecs", "must be a size"),
        ("server.body_bytes_max", "off", "must be at least 1"),
        ("store.segment_age_s", "5 minutes", "must be a duration"),
        ("store.segment_age_s", "nan", "must be a duration"),
        ("store.segment_age_s", float("inf"), "finite"),
        ("store.durability", "Disk", "must be one of disk, memory"),
        ("server.allow_insecure", "maybe", "must be true or false"),
        ("ingest.time_fields", [1], "must be a list of texts"),
        ("ingest.zone", "Europe/Atlantis", "is not a time zone"),
        ("client.url", "ftp://x", "must be a URL"),
        ("store.erase_after_s", "25h", "must be at most 86,400"),
        ("store.retention", "level:debug", "must be JSON"),
        ("store.retention", [{"query": "a"}], "rule 1 must be a table"),
        ("store.retention", [{"query": "a", "keep": "off"}], "keep must be more than 0"),
    ],
)
def test_an_error_names_key_value_and_source(key, value, says):
    """Whoever wrote the wrong value reads which, where, and what would be right."""
    with pytest.raises(ConfigError, match=says) as caught:
        load({key: value})
    assert (caught.value.key, caught.value.value, caught.value.source) == (key, value, "argument")


def test_an_unknown_setting_in_the_file_is_an_error_with_the_nearest_name(toml):
    """A misspelt setting must not pass silently as its default."""
    with pytest.raises(ConfigError, match=r"no such setting; did you mean server\.port\?"):
        load(toml=toml("[server]\nprot = 1\n"))
    with pytest.raises(ConfigError, match=r"no such part of the settings; did you mean server\?"):
        load(toml=toml("[sever]\nport = 1\n"))
    with pytest.raises(ConfigError, match=r"write \[server\]"):
        load(toml=toml("server = 1\n"))


def test_a_file_that_is_not_toml_is_named(toml):
    """The error says which file and where in it."""
    with pytest.raises(ConfigError, match=r"is not TOML.*line 1"):
        load(toml=toml("server: 1\n"))


def test_an_unknown_argument_is_an_error():
    """A command that passes a wrong key is found at once."""
    with pytest.raises(ConfigError, match="did you mean server"):
        load({"server.ports": 1})


def test_an_unknown_name_in_the_environment_is_a_warning_with_the_nearest_name():
    """Names of the environment may belong to others, so they are reported and do not stop a start."""
    settings = load(environ={"TAMIS_SERVER_PROT": "1", "PATH": "/bin"})
    assert settings.warnings == (
        "TAMIS_SERVER_PROT in the environment is no setting; did you mean TAMIS_SERVER_PORT?",
    )


def test_kubernetes_service_links_are_recognised():
    """A service called tamis or tamis-server fills the environment with names like ours."""
    links = {
        "TAMIS_SERVICE_HOST": "10.0.0.1",
        "TAMIS_SERVICE_PORT": "4817",
        "TAMIS_PORT": "tcp://10.0.0.1:4817",
        "TAMIS_PORT_4817_TCP": "tcp://10.0.0.1:4817",
        "TAMIS_PORT_4817_TCP_ADDR": "10.0.0.1",
    }
    assert load(environ=links).warnings == ()
    with pytest.raises(ConfigError, match="enableServiceLinks"):
        load(environ={"TAMIS_SERVER_PORT": "tcp://10.0.0.1:4817"})


def test_names_of_their_own_in_the_environment():
    """TAMIS_URL, TAMIS_TOKEN and TAMIS_ADMIN_TOKEN are short for settings of the client and the server."""
    settings = load(environ={"TAMIS_URL": "https://logs", "TAMIS_TOKEN": "a", "TAMIS_ADMIN_TOKEN": "b"})
    assert (settings.client.url, settings.client.token, settings.server.admin_token) == (
        "https://logs",
        "a",
        "b",
    )


def test_secrets_are_shown_nowhere():
    """Neither what check-config prints, nor a repr, nor an error holds a secret."""
    settings = load(
        {"client.token": "hush", "server.admin_token": "hush", "client.url": "https://hush@logs:1"}
    )
    assert "hush" not in str(settings.resolved())
    assert "hush" not in repr(settings)
    with pytest.raises(ConfigError) as caught:
        load({"client.token": ["hush"]})
    assert "hush" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        load({"client.url": "ftp://hush@logs"})
    assert "hush" not in str(caught.value)


def test_retention_rules_from_file_and_environment_are_the_same(toml):
    """Rules are tables in TOML and the same as JSON in the environment."""
    path = toml("[store]\nretention = [{query = 'level:debug', keep = '3d'}]\n")
    expected = (RetentionRule("level:debug", 259_200.0),)
    assert load(toml=path).store.retention == expected
    environ = {"TAMIS_STORE_RETENTION": '[{"query": "level:debug", "keep": "3d"}]'}
    assert load(environ=environ).store.retention == expected


def test_half_a_certificate_is_refused(tmp_path):
    """A certificate without its key, or a key without its certificate, is a mistake."""
    with pytest.raises(ConfigError, match=r"needs server\.tls_key"):
        load({"server.tls_cert": tmp_path / "cert.pem"})
    with pytest.raises(ConfigError, match=r"needs server\.tls_cert"):
        load({"server.tls_key": tmp_path / "key.pem"})


def test_home_is_opened_in_paths():
    """No folder called ~ is ever made."""
    assert "~" not in str(ServerSettings().data)
    assert load({"server.data": "~/logs"}).server.data == Path.home() / "logs"


@pytest.mark.parametrize("key", sorted(TABLE))
def test_every_default_is_allowed_and_survives_being_shown(key):
    """What check-config and the reference show for a default reads back as that default."""
    row = TABLE[key]
    if row.default not in (None, ()):
        assert row.parse(row.default) == row.default
    assert load({key: row.shown_default or None}).value(key) == row.default
    assert row.doc.endswith(".")


@given(st.integers(0, 2**63))
def test_sizes_read_back(size):
    """A size shown is the same size when read."""
    assert parse_bytes(show_bytes(size)) == size


@given(st.integers(0, 10**9).map(lambda ms: ms / 1000))
def test_durations_read_back(seconds):
    """A duration shown is the same duration when read."""
    assert parse_seconds(show_seconds(seconds)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "sink",
    [
        "http://SEKRET@h:4817",
        "http://SEKRET@h:48a17",
        "http://u:SEKRET#b@h:1",
        "http://u:SEKRET",
        "http://u:SEKRET/x@h",
        "http://u:SEKRET?x@h",
        "http//u:SEKRET@h:1",
        "elasticsearch+http://u:SEKRET@h:9200/x?api_key=SEKRET&gzip=off",
        "otlp+http://h?header.Authorization=SEKRET",
    ],
)
def test_no_secret_of_a_sink_is_shown(sink):
    """Whether its URL is right or not: what check-config prints is sent around."""
    rows = {row.key: row.value for row in load({"log.sinks": [sink]}).resolved()}
    assert "SEKRET" not in str(rows)
    assert ("gzip=off" in sink) == ("gzip=off" in rows["log.sinks"])


@pytest.mark.parametrize(
    "sink", ["http://h:4817/p", "http://[::1]:4817", "file:///a@b/x.jsonl?keep=3", "stderr?format=console"]
)
def test_what_is_no_secret_of_a_sink_is_shown(sink):
    """Host, path and the options that say how."""
    rows = {row.key: row.value for row in load({"log.sinks": [sink]}).resolved()}
    assert rows["log.sinks"] == sink
