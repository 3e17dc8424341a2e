"""`tamis ingest FILE`, then `tamis search WORD`: the lines that `grep -w -i WORD FILE` finds."""

import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.commands import Server, running_server, tamis, tamis_here

WORDS_A_FILE = 40
NOT_IN_MESSAGES = frozenset(
    [
        "jan",
        "feb",
        "mar",
        "apr",
        "may",
        "jun",
        "jul",
        "aug",
        "sep",
        "oct",
        "nov",
        "dec",
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
        "utc",
        "gmt",
        "z",
        "t",
    ]
)
"""What times are written with: a line's time becomes the record's, and leaves its message."""
KEYWORDS = frozenset({"and", "or", "not", "to"})
_WORD = re.compile(r"[^\W\d]\w{2,}")

VERBS = [
    "accepted",
    "refused",
    "opened",
    "closed",
    "lost",
    "found",
    "started",
    "stopped",
    "timed_out",
    "retried",
]
THINGS = [
    "connection",
    "session",
    "order_17",
    "cart",
    "user",
    "payment",
    "widget_b",
    "cache",
    "disk",
    "straße",
    "café",
    "naïve",
]
PLACES = [
    "in",
    "the",
    "cellar,",
    "(near",
    "the",
    "door)",
    "[eth0]",
    "<none>",
    "user@host.example",
    "/var/lib/x-y/z.db",
    "k=v",
    "a:b",
]


def sentence(pick: random.Random) -> str:
    words = [pick.choice(THINGS), pick.choice(VERBS), pick.choice(PLACES), str(pick.randrange(10**6))]
    return " ".join(words) + pick.choice(["", ".", ", id=" + hex(pick.getrandbits(40)), " -- Café!"])


def plain(pick: random.Random) -> Iterator[str]:
    """Sentences, some of them indented or empty, in capitals, with tabs."""
    for _ in range(300):
        text = sentence(pick)
        yield pick.choice([text, text, text.upper(), f"* {text}", text.replace(" ", "\t"), ""])


def syslog(pick: random.Random) -> Iterator[str]:
    for at in range(300):
        yield f"Nov 21 10:{at // 60:02}:{at % 60:02} web{at % 3} sshd[{at}]: {sentence(pick)}"


def python(pick: random.Random) -> Iterator[str]:
    for at in range(300):
        level = pick.choice(["DEBUG", "INFO", "WARNING", "ERROR"])
        yield f"2026-11-21 10:{at // 60:02}:{at % 60:02},{at:03} - shop.cart - {level} - {sentence(pick)}"


def access(pick: random.Random) -> Iterator[str]:
    for at in range(300):
        path = f"/{pick.choice(THINGS)}/{at}?q={pick.choice(VERBS)}"
        when = f"21/Nov/2026:10:{at // 60:02}:{at % 60:02} +0000"
        yield f'10.0.0.{at % 9} - ada [{when}] "GET {path} HTTP/1.1" 200 {at} "-" "curl/8.{at % 4} (agent_x)"'


def package_manager(pick: random.Random) -> Iterator[str]:
    for at in range(300):
        what = pick.choice(["status installed", "upgrade", "configure", "trigproc"])
        yield f"2026-11-21 10:{at // 60:02}:{at % 60:02} {what} lib{pick.choice(THINGS)}:amd64 1.{at}-2+deb12u1"


def broken(pick: random.Random) -> Iterator[str]:
    """Lines that nothing is certain of: JSON that is none, half times, carriage returns, long ones."""
    for at in range(200):
        text = sentence(pick)
        yield pick.choice(
            [
                f'{{"broken": {text}',
                f"[{at}] {text}",
                f"{text}\r",
                f"10:{at % 60:02} {text}",
                text * 200,
                f"2026 {text}",
            ]
        )


GENERATED: dict[str, Callable[[random.Random], Iterator[str]]] = {
    one.__name__: one for one in (plain, syslog, python, access, package_manager, broken)
}
REAL = ("/var/log/dpkg.log", "/var/log/alternatives.log", "/etc/services", "/etc/mime.types", "/etc/passwd")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as made:
        yield made


def grep(word: str, path: Path) -> list[str]:
    """What grep finds, but for blank lines' ends."""
    done = subprocess.run(
        ["grep", "-w", "-i", "-F", "-a", "--", word, str(path)],
        capture_output=True,
        check=False,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
        timeout=30,
    )
    return [line.rstrip("\r") for line in done.stdout.decode("utf-8", "replace").split("\n")[:-1]]


def search(word: str, server: Server, service: str, home: Path) -> list[str]:
    """The messages that a search finds, in the order of the file."""
    query = f'"{word}"' if word.lower() in KEYWORDS else word
    arguments = ("search", query, f'file:="{service}"', "--json", "--limit", "0", "--data", str(server.data))
    done = tamis_here(*arguments, home=home)
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    return [one["message"] for one in sorted(records, key=lambda one: int(one["id"].rpartition("-")[2]))]


def is_line_without_time(message: str, line: str) -> bool:
    """Whether the message is the line, but for one piece cut out of it."""
    return any(
        line.startswith(message[:at]) and line.endswith(message[at:]) for at in range(len(message) + 1)
    )


def words_of(path: Path, seed: int) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    words = {
        word for word in _WORD.findall(text) if word.lower() not in NOT_IN_MESSAGES and "\ufffd" not in word
    }
    return random.Random(seed).sample(sorted(words), min(WORDS_A_FILE, len(words)))


@pytest.mark.skipif(shutil.which("grep") is None, reason="takes grep")
@pytest.mark.parametrize("name", [*GENERATED, *REAL])
def test_search_finds_what_grep_finds(name: str, server: Server, tmp_path: Path) -> None:
    """For many words of a file: as many records as grep finds lines, each with the line as message (but for the
    time, which is the record's own)."""
    path = Path(name)
    if name in GENERATED:
        path = tmp_path / f"{name}.log"
        path.write_text("\n".join(GENERATED[name](random.Random(7))) + "\n", encoding="utf-8")
    elif not path.exists():
        pytest.skip("this machine has no such file")
    done = tamis("ingest", str(path), "--data", str(server.data), home=tmp_path)
    assert done.code == 0, done.err
    missing = "no_such_word_anywhere"
    assert search(missing, server, str(path), tmp_path) == grep(missing, path) == []
    for word in words_of(path, 11):
        lines, messages = grep(word, path), search(word, server, str(path), tmp_path)
        assert len(messages) == len(lines), (word, set(lines) ^ set(messages))
        for message, line in zip(messages, lines, strict=True):
            assert is_line_without_time(message, line), (word, message, line)


def test_a_trace_is_found_by_each_of_its_lines(server: Server, tmp_path: Path) -> None:
    """A word anywhere in a stack trace finds the record, once, with all its lines."""
    path = tmp_path / "traces.log"
    trace = (
        "2026-11-21 10:00:{at:02},000 ERROR shop: order {at} failed\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/shop/cart.py", line {at}, in checkout_{at}\n'
        "    raise OutOfStock(item)\n"
        "shop.errors.OutOfStock: widget_{at}\n"
        "2026-11-21 10:00:{at:02},500 INFO shop: order {at} put back\n"
    )
    path.write_text("".join(trace.format(at=at) for at in range(50)))
    done = tamis("ingest", str(path), "--data", str(server.data), home=tmp_path)
    assert done.out == "received 100, stored 100, rejected 0\n", done.err
    for word, count in {"checkout_7": 1, "widget_7": 1, "OutOfStock": 50, "raise": 50, "order": 100}.items():
        messages = search(word, server, str(path), tmp_path)
        assert len(messages) == count
        found = [
            line
            for message in messages
            for line in message.split("\n")
            if re.search(rf"(?i)\b{word}\b", line)
        ]
        assert len(found) == len(grep(word, path))
