"""The commands as their users run them: in processes of their own, on a server and on a folder without one."""

import gzip
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import (
    TOKEN,
    Ran,
    Server,
    environment,
    running_server,
    start,
    start_server,
    tamis,
    tamis_here,
    wait_for,
)

LINES = [
    "2026-11-21T10:00:00Z INFO shop order 17 placed by ada",
    "2026-11-21T10:00:01Z WARNING shop stock of widgets is low",
    "2026-11-21T10:00:02Z ERROR shop payment 18 refused: card expired",
    "2026-11-21T10:00:03Z INFO shop order 19 placed by bob",
]


class Place:
    """Where commands look: arguments that name it, and a folder to work in."""

    def __init__(self, home: Path, *where: str) -> None:
        self.home, self.where = home, where
        self.service = ""

    def run(self, *arguments: str, given: str | None = None) -> Ran:
        if given is not None:
            return tamis(*arguments, *self.where, home=self.home, given=given)
        return tamis_here(*arguments, *self.where, home=self.home)

    def json(self, *arguments: str) -> list[dict[str, object]]:
        done = self.run(*arguments, "--json")
        assert done.code == 0, done.err
        return [json.loads(line) for line in done.out.splitlines()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture(scope="module", params=["server", "folder", "running folder"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A server by URL, a folder that no server has, a folder that one has; each with LINES in it."""
    home = tmp_path_factory.mktemp("place")
    where = {"server": "--url", "folder": "--data", "running folder": "--data"}[request.param]
    if request.param == "folder":
        made = Place(home, where, str(home / "data"))
    else:
        held = request.getfixturevalue("server")
        made = Place(
            home, where, held.url.replace("://", f"://{TOKEN}@") if where == "--url" else str(held.data)
        )
    name = made.service = request.param.replace(" ", "_")
    (home / f"{name}.log").write_text("\n".join(LINES) + "\n")
    done = made.run("ingest", f"{name}.log", "--service", name)
    assert (done.code, done.out) == (0, "received 4, stored 4, rejected 0\n"), done.err
    return made


def mine(place: Place, *query: str) -> tuple[str, ...]:
    """A query over the lines of this place."""
    return (f"service:={place.service}", *query)


def test_search_finds_newest_first(place: Place) -> None:
    """Records come newest first, with what the line said."""
    records = place.json("search", *mine(place))
    assert [record["level"] for record in records] == ["INFO", "ERROR", "WARNING", "INFO"]
    assert records[1]["timestamp"] == "2026-11-21T10:00:02Z"
    assert "payment 18 refused: card expired" in str(records[1]["message"])
    assert records[1]["attributes"] == {"file": f"{place.service}.log"}


def test_search_prints_lines_for_people(place: Place) -> None:
    """Without --json: time, level, service, message, attributes; no colours in a pipe."""
    done = place.run("search", *mine(place, "payment"))
    assert done.code == 0
    assert done.out.startswith("2026-11-21T10:00:02.000Z ERROR ")
    assert "\x1b" not in done.out


def test_search_takes_limit_order_time_and_fields(place: Place) -> None:
    """Options narrow what is found."""
    assert len(place.json("search", *mine(place), "--limit", "2")) == 2
    oldest = place.json("search", *mine(place), "--order", "asc", "--limit", "1")[0]
    assert oldest["timestamp"] == "2026-11-21T10:00:00Z"
    within = ("--since", "2026-11-21T10:00:01Z", "--until", "2026-11-21T10:00:03Z")
    assert len(place.json("search", *mine(place), *within)) == 2
    assert place.json("search", *mine(place, "bob"), "--fields", "level,timestamp") == [
        {"level": "INFO", "timestamp": "2026-11-21T10:00:03Z"}
    ]
    done = place.run("search", *mine(place, "bob"), "--fields", "level,timestamp")
    assert done.out == "INFO\t2026-11-21T10:00:03Z\n"


def test_stages_in_the_query_work(place: Place) -> None:
    """`| stats` gives a table, `| patterns` gives patterns, also from `search`."""
    (table,) = place.json("search", *mine(place, "| stats count() by level | sort count desc"))
    assert table["columns"] == ["level", "count"]
    assert table["rows"] == [["INFO", 2], ["ERROR", 1], ["WARNING", 1]]
    (found,) = place.json("search", *mine(place, "order | patterns"))
    assert [one["count"] for one in found["patterns"]] == [1, 1]  # type: ignore[attr-defined]


def test_stats_without_a_stage_counts_levels(place: Place) -> None:
    """`tamis stats QUERY` alone says how many of each level, parted by tabs in a pipe."""
    done = place.run("stats", *mine(place))
    assert done.out.splitlines() == ["level\tcount", "INFO\t2", "ERROR\t1", "WARNING\t1"]


def test_patterns_add_up(place: Place) -> None:
    """The counts of all patterns are the number of records."""
    (answer,) = place.json("patterns", *mine(place))
    counts = [one["count"] for one in answer["patterns"]]  # type: ignore[attr-defined]
    assert sum(counts) + answer["unmatched"] == 4
    done = place.run("patterns", *mine(place), "--limit", "1")
    assert done.out.splitlines()[-1] == "3\t\t(further patterns)"


def test_export_goes_back_in(place: Place, tmp_path: Path) -> None:
    """NDJSON that was exported is taken in again with the same fields; files appear whole."""
    output = tmp_path / "out.ndjson"
    done = place.run("export", *mine(place), "--output", str(output))
    assert done.code == 0, done.err
    assert len(output.read_text().splitlines()) == 4
    assert tamis("ingest", str(output), "--data", "copy", home=tmp_path).code == 0
    copied = tamis("search", "payment", "--json", "--data", "copy", home=tmp_path)
    original = place.json("search", *mine(place, "payment"))[0]
    kept = ("timestamp", "level", "service", "message", "attributes")
    assert {name: json.loads(copied.out)[name] for name in kept} == {name: original[name] for name in kept}


def test_export_writes_csv_and_parquet(place: Place, tmp_path: Path) -> None:
    """CSV has a header; Parquet can be read by others."""
    import pyarrow.parquet as pq

    done = place.run("export", *mine(place), "--format", "csv")
    assert len(done.out.splitlines()) == 5
    output = tmp_path / "out.parquet"
    assert place.run("export", *mine(place), "--format", "parquet", "--output", str(output)).code == 0
    assert pq.read_table(output).num_rows == 4
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_a_wrong_query_is_pointed_at(place: Place) -> None:
    """The query is shown with a caret under what is wrong."""
    done = place.run("search", "level:error (")
    assert done.code == 2
    text, caret = done.err.splitlines()[1:3]
    assert text == "  level:error ("
    assert caret == "               ^"


def test_delete_asks_and_deletes(place: Place) -> None:
    """Without --yes and nobody to ask nothing is deleted; with it what was found is gone at once."""
    place.run("ingest", "-", "--service", f"{place.service}_gone", given="one\ntwo\n")
    query = f"service:={place.service}_gone"
    refused = place.run("delete", query)
    assert (refused.code, refused.out) == (2, "")
    assert "2 records" in refused.err
    done = place.run("delete", query, "--yes")
    assert (done.code, done.out) == (0, "2 records deleted\n")
    assert place.json("search", query) == []
    assert len(place.json("search", *mine(place))) == 4


def test_files_of_many_kinds_are_taken_in(tmp_path: Path) -> None:
    """Folders, globs, compressed files and standard input; binary files are passed over with a word."""
    logs = tmp_path / "logs"
    (logs / "deep").mkdir(parents=True)
    (logs / "plain.log").write_text("plain one\nplain two\n")
    (logs / "deep" / "packed.log.1.gz").write_bytes(gzip.compress(b"packed one\n"))
    (logs / "noise.bin").write_bytes(bytes(range(256)) * 64)
    done = tamis("ingest", "logs", "lo*/plain.log", "-", "--data", "data", home=tmp_path, given="piped one\n")
    assert (done.code, done.out) == (0, "received 4, stored 4, rejected 0\n")
    assert "noise.bin: passed over (binary)" in done.err
    found = tamis("search", "one", "--json", "--data", "data", home=tmp_path).out.splitlines()
    by_message = {json.loads(line)["message"]: json.loads(line) for line in found}
    assert set(by_message) == {"plain one", "packed one", "piped one"}
    assert by_message["packed one"]["service"] == "packed"
    assert by_message["packed one"]["attributes"]["file"] == "logs/deep/packed.log.1.gz"
    assert by_message["piped one"]["service"] is None


def test_rejected_lines_are_named(tmp_path: Path) -> None:
    """Of a named format, what is no record is rejected: counted, and listed with file, line and reason."""
    (tmp_path / "app.jsonl").write_text('{"message": "good"}\nnot json\n{"message": "fine"}\n')
    done = tamis("ingest", "app.jsonl", "--format", "jsonlines", "--data", "data", home=tmp_path)
    assert (done.code, done.out) == (0, "received 3, stored 2, rejected 1\n")
    assert done.err.startswith("rejected app.jsonl:2: not JSON")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ingest", "nowhere.log", "--data", "data"), 2, "nowhere.log: there is no such file or folder"),
        (("ingest", "x*y", "--data", "data"), 2, "x*y: no file matches"),
        (("ingest", "-", "--format", "morse", "--data", "data"), 2, "there is no such format"),
        (("ingest", "--folow", "--data", "data"), 2, "there is no option --folow"),
        (("search", "--limit", "many"), 2, "--limit"),
        (("search", "--limit", "-1"), 2, "--limit"),
        (("search", "--url", "x", "--data", "y"), 2, "give one of them"),
        (("search", "--data", "nowhere"), 2, "there is no such folder"),
        (("search", "--data", "."), 3, "holds no store"),
        (("search", "--url", "ftp://x"), 2, "must be a URL"),
        (("search", "--url", "http://127.0.0.1:9"), 3, "nothing listens there"),
        (("search", "a", "--since", "noon"), 2, "start = 'noon'"),
        (("serch",), 2, "did you mean search?"),
        (("serve", "--port", "99999"), 2, "server.port = 99999"),
        (("serve", "--host", "0.0.0.0"), 2, "TLS"),
        (("tail", "| stats count()", "--data", "."), 2, "without stages"),
        (("export", "--output", "no/such/file", "--data", "made"), 2, "its folder does not exist"),
        (("verify", "nowhere"), 2, "there is no such folder"),
        (("verify", "."), 3, "holds no store"),
        (("upgrade", "."), 3, "holds no store"),
        (("check-config", "--config", "nowhere.toml"), 2, "nowhere.toml"),
        (("users", "reset-admin", "--data", "nowhere"), 2, "there is no such folder"),
        ((), 2, ""),
    ],
)
def test_wrong_use_ends_with_a_sentence(
    arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    """One sentence on standard error, the right exit code, nothing on standard output, never a trace."""
    if "made" in arguments or said == "start = 'noon'":
        tamis("ingest", "-", "--data", "made", home=tmp_path, given="one\n")
    more = ("--data", "made") if said == "start = 'noon'" else ()
    done = tamis_here(*arguments, *more, home=tmp_path)
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    if arguments:
        assert done.out == ""
        assert len(done.err.splitlines()) == 1


def test_a_wrong_token_is_told(server: Server, tmp_path: Path) -> None:
    """Who has no token, or a wrong one, hears so; a token in the environment works."""
    for token in ("", "wrong"):
        done = tamis("search", "--url", server.url, home=tmp_path, TAMIS_TOKEN=token)
        assert done.code == 3
        assert "oken" in done.err
    done = tamis("search", home=tmp_path, TAMIS_TOKEN=TOKEN, TAMIS_URL=server.url)
    assert done.code == 0, done.err


def test_check_config_looks_at_what_settings_name(tmp_path: Path) -> None:
    """A sink or pattern that an application could not use is named with its source, before the application fails."""
    for name, value in (("TAMIS_LOG_SINKS", "ftp://x"), ("TAMIS_REDACT_PATTERNS", "((")):
        done = tamis("check-config", home=tmp_path, **{name: value})
        assert (done.code, done.out) == (2, "")
        assert f"environment {name}" in done.err


def test_verify_finds_damage(tmp_path: Path) -> None:
    """A whole folder is whole (exit 0); one with a flipped byte is not (exit 1), and the file is named."""
    tamis("ingest", "-", "--data", "data", home=tmp_path, given="one\ntwo\n")
    assert tamis("verify", "data", home=tmp_path).code == 0
    (segment,) = (tmp_path / "data" / "segments").rglob("*.parquet")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.write_bytes(content)
    done = tamis("verify", "data", home=tmp_path)
    assert done.code == 1
    assert segment.name in done.out
    report = json.loads(tamis("verify", "data", "--json", home=tmp_path).out)
    assert report["whole"] is False
    assert len(report["findings"]) == 1


def test_an_export_that_damage_left_records_out_of_says_so(tmp_path: Path) -> None:
    """Exit 1 and a last line on stderr, from a folder and from a server; doctor names the file once."""
    tamis("ingest", "-", "--data", "data", home=tmp_path, given="one\ntwo\n")
    assert tamis("export", "--data", "data", home=tmp_path).code == 0
    (segment,) = (tmp_path / "data" / "segments").rglob("*.parquet")
    segment.write_bytes(bytes(segment.stat().st_size))
    done = tamis("export", "--data", "data", home=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert segment.name in done.err
    assert "not complete" in done.err.splitlines()[-1]
    with running_server(tmp_path) as server:
        far = tamis("export", "--url", server.url, home=tmp_path, TAMIS_TOKEN=TOKEN)
    assert far.code == 1
    assert "not complete" in far.err.splitlines()[-1]
    doctor = tamis("doctor", "--data", "data", home=tmp_path)
    assert doctor.code == 1
    assert doctor.out.count(segment.name) == 1


def test_what_is_in_a_data_folder_is_its_owners(tmp_path: Path) -> None:
    """Folders 0700 and files 0600, all of them, while a server runs and after."""

    def modes() -> set[tuple[bool, int]]:
        found = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
        return {(path.is_dir(), path.stat().st_mode & 0o777) for path in found}

    with running_server(tmp_path):
        assert tamis("ingest", "-", "--data", "data", home=tmp_path, given="one\n").code == 0
        assert modes() == {(True, 0o700), (False, 0o600)}
    tamis("ingest", "-", "--data", "data", home=tmp_path, given="two\n")
    assert modes() == {(True, 0o700), (False, 0o600)}


def test_verify_counts_what_is_in_the_journal(tmp_path: Path) -> None:
    """Records that a killed server left in the journal are counted there: none seem to be gone."""
    with running_server(tmp_path) as server:
        assert tamis("ingest", "-", "--data", "data", home=tmp_path, given="one\ntwo\n").code == 0
        server.kill()
        done = tamis("verify", "data", home=tmp_path)
    size = sum(path.stat().st_size for path in (tmp_path / "data" / "journal").iterdir())
    assert done.out == (
        f"data: whole; 2 records: 0 in 0 segments (0 bytes), 2 in the journal ({size:,} bytes)\n"
    )


def test_doctor_and_check_config_tell_what_is_wrong(tmp_path: Path) -> None:
    """A healthy machine gets no `bad`; a wrong setting is named with where it came from."""
    done = tamis("doctor", "--data", "data", "--json", home=tmp_path, TAMIS_SERVER_PORT="0")
    states = {one["what"]: one["state"] for one in json.loads(done.out)["findings"]}
    assert done.code == 0, done.out
    assert states["Python"] == states["libraries"] == states["data folder"] == "ok"
    wrong = tamis("doctor", "--data", "data", home=tmp_path, TAMIS_SERVER_PORT="many")
    assert wrong.code == 1
    assert "TAMIS_SERVER_PORT" in wrong.out
    told = tamis("check-config", home=tmp_path, TAMIS_SERVER_PORT="4999")
    assert "server.port\t4999\tenvironment TAMIS_SERVER_PORT" in told.out.splitlines()


def test_a_lost_token_is_replaced(tmp_path: Path) -> None:
    """`users reset-admin` beside a running server: the new token works, the old one does not."""
    with running_server(tmp_path) as server:
        done = tamis("users", "reset-admin", "--data", "data", home=tmp_path)
        new = done.out.strip()
        assert done.code == 0
        assert new
        where = ("search", "--url", server.url)
        assert wait_for(lambda: tamis_here(*where, home=tmp_path, TAMIS_TOKEN=TOKEN).code == 3)
        assert tamis_here(*where, home=tmp_path, TAMIS_TOKEN=new).code == 0


def test_a_killed_server_leaves_its_folder_usable(tmp_path: Path) -> None:
    """Its note of address and token is still there; the commands find the folder free."""
    with running_server(tmp_path) as server:
        assert tamis("ingest", "-", "--data", "data", home=tmp_path, given="kept\n").code == 0
        server.kill()
        done = tamis_here("search", "kept", "--data", "data", home=tmp_path)
        assert (done.code, len(done.out.splitlines())) == (0, 1), done.err


def test_upgrade_and_verify_leave_a_new_folder_as_it_is(tmp_path: Path) -> None:
    """A folder in the newest format stays; `--json` says so."""
    tamis("ingest", "-", "--data", "data", home=tmp_path, given="one\n")
    done = tamis_here("upgrade", "data", "--json", home=tmp_path)
    assert done.code == 0
    told = json.loads(done.out)
    assert (told["before"], told["segments"]) == (told["after"], 0)


def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path) -> None:
    """`tamis search … | head -1` ends quietly."""
    tamis("ingest", "-", "--data", "data", home=tmp_path, given="a line of some length\n" * 5_000)
    command = f"{sys.executable} -m tamis.cli search --limit 0 --data data | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1)


@pytest.mark.parametrize(
    ("file_format", "reader"), [("parquet", "head -c 4"), ("csv", "head -1"), ("ndjson", "head -1")]
)
@pytest.mark.parametrize("where", ["--url", "--data"])
def test_an_export_whose_reader_goes_away_is_no_failure(
    server: Server, tmp_path: Path, where: str, file_format: str, reader: str
) -> None:
    """`tamis export … | head` ends quietly, from a server too: nobody's connection failed."""
    place = server.url.replace("://", f"://{TOKEN}@") if where == "--url" else str(tmp_path / "data")
    given = "".join(f"{at} {random.Random(at).randbytes(40).hex()}\n" for at in range(4_000))
    service = f"piped-{file_format}"
    assert tamis("ingest", "-", "--service", service, where, place, home=tmp_path, given=given).code == 0
    command = f"-m tamis.cli export service:={service} --format {file_format} {where} {place}"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} {command} | {reader}"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout


def test_a_server_that_cannot_listen_leaves_no_folder(server: Server, tmp_path: Path) -> None:
    """A port that is in use is told before anything is made."""
    port = server.url.rpartition(":")[2]
    done = tamis("serve", "--data", "new", "--port", port, home=tmp_path)
    assert done.code == 2
    assert f"server.port = {port}" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="takes openssl")
def test_tls_is_verified(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused, one that the user trusts is not; `--data` needs neither."""
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        *names,
    ]
    subprocess.run(
        [*make, "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=30,
    )
    tls = {
        "TAMIS_SERVER_TLS_CERT": str(tmp_path / "cert.pem"),
        "TAMIS_SERVER_TLS_KEY": str(tmp_path / "key.pem"),
    }
    with running_server(tmp_path, **tls) as server:
        assert server.url.startswith("https://")
        url = f"https://localhost:{server.url.rpartition(':')[2]}"
        refused = tamis("search", "--url", url, home=tmp_path, TAMIS_TOKEN=TOKEN)
        assert refused.code == 3
        assert "certificate" in refused.err
        trusted = {"SSL_CERT_FILE": str(tmp_path / "cert.pem"), "TAMIS_TOKEN": TOKEN}
        assert tamis("search", "--url", url, home=tmp_path, **trusted).code == 0
        assert tamis("search", "--data", "data", home=tmp_path).code == 0


def test_tail_shows_what_comes(server: Server, tmp_path: Path) -> None:
    """Records of one instant, sent in several batches while tail runs, are all shown, each once."""
    output = tmp_path / "tail.out"
    where = ("--data", str(server.data))
    tailing = start("tail", "tailed", "--json", "-n", "3", *where, home=tmp_path, output=output)
    try:
        first = "\n".join(f"tailed before {at}" for at in range(5)) + "\n"
        tamis("ingest", "-", *where, home=tmp_path, given=first)
        assert wait_for(lambda: len(output.read_text().splitlines()) >= 3), output.read_text()
        same_time = "".join(
            json.dumps({"timestamp": "2026-11-21T10:00:00Z", "message": f"tailed {at}"}) + "\n"
            for at in range(50)
        )
        for _ in range(2):
            tamis("ingest", "-", *where, home=tmp_path, given=same_time)
        assert wait_for(lambda: output.read_text().count("tailed 49") >= 2), output.read_text()
        tailing.send_signal(signal.SIGINT)
        assert tailing.wait(10) == 0
    finally:
        tailing.kill()
    ids = [json.loads(line)["id"] for line in output.read_text().splitlines()]
    assert len(ids) == len(set(ids))
    assert len([line for line in output.read_text().splitlines() if "2026-11-21T10:00:00Z" in line]) == 100


def test_follow_survives_kill_and_rotation(server: Server, tmp_path: Path) -> None:
    """A follower is killed (-9) again and again while a log grows and is rotated: each line is stored once."""
    log = tmp_path / "app.log"
    command = ("ingest", "app.log", "--follow", "--data", str(server.data), "--service", "followed")
    written = 0

    def stored() -> int:
        answer = tamis_here(
            "stats", "service:=followed | stats count()", "--json", *command[3:5], home=tmp_path
        )
        return int(json.loads(answer.out)["rows"][0][0])

    for turn in range(4):
        following = start(*command, home=tmp_path, output=tmp_path / "follow.out")
        before = stored()
        for _ in range(20):
            with log.open("a") as file:
                file.writelines(f"followed line {written + at:06}\n" for at in range(50))
            written += 50
            time.sleep(0.01)
        if turn == 1:
            log.rename(tmp_path / "app.log.1")
        assert wait_for(lambda before=before: stored() > before, 30)  # type: ignore[misc]  # a default binds it
        following.kill()
        following.wait(10)
    following = start(*command, home=tmp_path, output=tmp_path / "follow.out")
    try:
        assert wait_for(lambda: stored() >= written, 30), stored()
        following.send_signal(signal.SIGTERM)
        assert following.wait(20) == 0, (tmp_path / "follow.out").read_text()
    finally:
        following.kill()
    found = tamis("search", "service:=followed", "--json", "--limit", "0", *command[3:5], home=tmp_path)
    messages = sorted(json.loads(line)["message"] for line in found.out.splitlines())
    assert messages == [f"followed line {at:06}" for at in range(written)]


def test_follow_waits_for_a_server_that_restarts(tmp_path: Path) -> None:
    """The server is killed while a file is followed; when it is back, every line is there once."""
    server = start_server(tmp_path)
    port = server.url.rpartition(":")[2]
    (tmp_path / "app.log").write_text("line one\n")
    url = server.url.replace("://", f"://{TOKEN}@")
    output = tmp_path / "follow.out"
    following = start("ingest", "app.log", "--follow", "--url", url, home=tmp_path, output=output)
    try:

        def count() -> int:
            done = tamis_here("search", "line", "--json", "--url", url, home=tmp_path)
            return len(done.out.splitlines())

        assert wait_for(lambda: count() == 1)
        server.kill()
        with (tmp_path / "app.log").open("a") as file:
            file.write("line two\nline three\n")
        server = start_server(tmp_path, port=port)
        assert wait_for(lambda: count() == 3), output.read_text()
    finally:
        following.terminate()
        following.wait(20)
        server.stop()
    assert output.read_text().endswith("received 3, stored 3, rejected 0\n")


def test_start_up_is_quick(tmp_path: Path) -> None:
    """The help and the version come at once: nothing heavy is imported for them."""
    heavy = "pyarrow duckdb fastapi uvicorn rich cyclopts"
    program = (
        "import sys; from tamis.cli import run; code = run(['--help']); "
        f"print([name for name in {heavy.split()!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert tamis("--version", home=tmp_path).out.startswith("tamis ")
