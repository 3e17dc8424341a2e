"""Text formats: real lines of each are recognised, their fields read, and their words kept."""

import pytest

from tamis.record.tokens import tokens
from tamis.wire.base import DecodeOptions
from tamis.wire.detect import FORMATS, LONG_BYTES_MAX, detect
from tamis.wire.times import Times, print_time

NOW = 1_795_305_600 * 10**9  # 2026-11-22

SAMPLES = [
    (
        "access",
        '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326',
        "2000-10-10T20:55:36Z",
        {},
        {"client": "127.0.0.1", "user": "frank", "method": "GET", "path": "/apache_pb.gif",
         "protocol": "HTTP/1.0", "status": 200, "bytes": 2326},
    ),
    (
        "access",
        'shop.example:443 ::1 - - [21/Nov/2026:10:00:00 +0000] "POST /?b=\\"c HTTP/2" 502 - "-" "curl/8 \\"x\\"" 0.2',
        "2026-11-21T10:00:00Z",
        {},
        {"vhost": "shop.example:443", "client": "::1", "method": "POST", "status": 502, "user_agent": 'curl/8 \\"x\\"'},
    ),
    (
        "access",
        '10.0.0.1 - - [21/Nov/2026:10:00:00 +0000] "\\x16\\x03\\x01" 400 226 "-" "-"',
        "2026-11-21T10:00:00Z",
        {},
        {"client": "10.0.0.1", "status": 400},
    ),
    (
        "syslog",
        "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; logname= uid=0 rhost=218.188.2.4 ",
        "2026-06-14T15:16:01Z",
        {"host": "combo", "service": "sshd"},
        {"pid": 19939},
    ),
    (
        "syslog",
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
        "2026-10-11T22:14:15Z",
        {"host": "mymachine", "service": "su", "level": "CRITICAL"},
        {"facility": "auth"},
    ),
    (
        "syslog",
        "2026-11-21T10:00:00.123456+01:00 web-1 systemd[1]: Started Daily apt upgrade.",
        "2026-11-21T09:00:00.123456Z",
        {"host": "web-1", "service": "systemd"},
        {"pid": 1},
    ),
    ("syslog", "Jun 15 04:06:18 combo syslogd 1.4.1: restart.", "2026-06-15T04:06:18Z", {"host": "combo"}, {}),
    (
        "syslog",
        '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 111 ID47 '
        '[exampleSDID@32473 iut="3" eventSource="App\\"li\\]cation"][other@1 a="b"] An application event',
        "2003-10-11T22:14:15.003Z",
        {"host": "mymachine.example.com", "service": "evntslog", "level": "NOTICE"},
        {"facility": "local4", "pid": 111, "msgid": "ID47",
         "structured_data": {"exampleSDID@32473": {"iut": "3", "eventSource": 'App"li]cation'}, "other@1": {"a": "b"}}},
    ),
    (
        "syslog",
        "<14>1 - - - - - - no header at all",
        None,
        {"level": "INFO"},
        {"facility": "user"},
    ),
    (
        "python",
        "2026-11-21 10:00:00,123 - shop.cart - ERROR - boom happened",
        "2026-11-21T10:00:00.123Z",
        {"logger": "shop.cart", "level": "ERROR"},
        {},
    ),
    (
        "python",
        "2026-11-21 10:00:00,123 WARNING shop.cart: careful",
        "2026-11-21T10:00:00.123Z",
        {"logger": "shop.cart", "level": "WARNING"},
        {},
    ),
    ("python", "WARNING:root:careful now", None, {"logger": "root", "level": "WARNING"}, {}),
    ("python", "INFO:     Started server process [123]", None, {"level": "INFO"}, {}),
    (
        "python",
        "[2026-11-21 10:00:00 +0000] [123] [INFO] Booting worker with pid: 123",
        "2026-11-21T10:00:00Z",
        {"level": "INFO"},
        {"pid": 123},
    ),
    (
        "python",
        "[2026-11-21 10:00:00,123] ERROR in app: Exception on / [GET]",
        "2026-11-21T10:00:00.123Z",
        {"level": "ERROR", "logger": "app"},
        {},
    ),
    (
        "python",
        "2026-11-21 10:00:00.123 | INFO     | shop.cart:add:12 - added",
        "2026-11-21T10:00:00.123Z",
        {"level": "INFO", "logger": "shop.cart:add:12"},
        {},
    ),
    (
        "log4j",
        "2015-10-18 18:01:47,978 INFO [main] org.apache.hadoop.mapreduce.v2.app.MRAppMaster: Created MRAppMaster",
        "2015-10-18T18:01:47.978Z",
        {"level": "INFO", "logger": "org.apache.hadoop.mapreduce.v2.app.MRAppMaster"},
        {"thread": "main"},
    ),
    (
        "log4j",
        "2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181:FastLeaderElection@774] - Late",
        "2015-07-29T17:41:44.747Z",
        {"level": "INFO"},
        {"thread": "QuorumPeer[myid=1]/0:0:0:0:0:0:0:0:2181:FastLeaderElection@774"},
    ),
    (
        "log4j",
        "2026-11-21T10:00:00.123Z  WARN 12345 --- [shop] [           main] c.e.shop.Application  : Starting",
        "2026-11-21T10:00:00.123Z",
        {"level": "WARNING", "logger": "c.e.shop.Application", "service": "shop"},
        {"pid": 12345, "thread": "           main"},
    ),
    (
        "log4j",
        "2026-11-21 10:00:00.123 [http-nio-8080-exec-1] ERROR com.example.Shop - Order failed",
        "2026-11-21T10:00:00.123Z",
        {"level": "ERROR", "logger": "com.example.Shop"},
        {"thread": "http-nio-8080-exec-1"},
    ),
    (
        "log4j",
        "[2026-11-21T10:00:00,123][INFO ][o.e.n.Node               ] [node-1] started",
        "2026-11-21T10:00:00.123Z",
        {"level": "INFO", "logger": "o.e.n.Node"},
        {},
    ),
    (
        "logfmt",
        'ts=2026-11-21T10:00:00Z level=warn msg="order \\"x\\" placed" user=7 took=1.5 ok=true id=007 err=',
        "2026-11-21T10:00:00Z",
        {"level": "WARNING", "message": 'order "x" placed'},
        {"user": 7, "took": 1.5, "ok": True, "id": "007", "err": ""},
    ),
    (
        "timed",
        "2025-06-24 14:36:25 status half-configured libsystemd0:amd64 252.36-1~deb12u1",
        "2025-06-24T14:36:25Z",
        {},
        {},
    ),
    (
        "timed",
        "2026-11-21 10:00:00.123 UTC [123] postgres@shop ERROR:  relation \"x\" does not exist at character 15",
        "2026-11-21T10:00:00.123Z",
        {"level": "ERROR"},
        {"pid": 123},
    ),
    (
        "timed",
        "2026-11-21 10:00:00.123 CET [123] LOG:  database system is ready to accept connections",
        "2026-11-21T09:00:00.123Z",
        {"level": "INFO"},
        {"pid": 123},
    ),
    (
        "timed",
        "2026/11/21 10:00:00 [error] 77#77: *1 open() \"/x\" failed (2: No such file or directory)",
        "2026-11-21T10:00:00Z",
        {"level": "ERROR"},
        {"pid": 77},
    ),
    (
        "timed",
        "[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok /etc/httpd/conf/workers2.properties",
        "2005-12-04T04:47:44Z",
        {"level": "NOTICE"},
        {},
    ),
    (
        "timed",
        "[Sat Nov 21 10:00:00.123456 2026] [core:error] [pid 12:tid 13] AH00126: Invalid URI",
        "2026-11-21T10:00:00.123456Z",
        {"level": "ERROR"},
        {"pid": 12},
    ),
    (
        "timed",
        "03-17 16:13:38.811  1702  2395 D WindowManager: printFreezingDisplayLogs",
        "2026-03-17T16:13:38.811Z",
        {"level": "DEBUG", "logger": "WindowManager"},
        {"pid": 1702, "thread": "2395"},
    ),
    (
        "timed",
        "I1121 10:00:00.123456   12345 server.go:42] Serving securely",
        "2026-11-21T10:00:00.123456Z",
        {"level": "INFO"},
        {"pid": 12345, "source": "server.go:42"},
    ),
    (
        "timed",
        "081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_38 terminating",
        "2008-11-09T20:36:15Z",
        {"level": "INFO", "logger": "dfs.DataNode$PacketResponder"},
        {"pid": 148},
    ),
    ("timed", "2026/11/21 10:00:00 listening on :8080", "2026-11-21T10:00:00Z", {}, {}),
    (
        "timed",
        "update-alternatives 2025-06-24 14:36:53: run with --quiet",
        "2025-06-24T14:36:53Z",
        {"service": "update-alternatives"},
        {},
    ),
    ("plain", "  What is this line? \\o/ ", None, {"message": "  What is this line? \\o/ "}, {}),
]  # fmt: skip


def decoded(format_name, body, **settings):
    """The records of a body, with everything accounted for."""
    result = FORMATS[format_name].decode(body, DecodeOptions(now_ns=NOW, **settings))
    assert result.received == result.columns.length + result.rejected_count
    return list(result.columns.records(0)), result


@pytest.mark.parametrize(("name", "line", "instant", "core", "attributes"), SAMPLES)
def test_a_real_line_is_read(name, line, instant, core, attributes):
    """Its time, core fields and attributes are there."""
    (record,), _ = decoded(name, line.encode() + b"\n")
    assert (print_time(record.timestamp) if record.timestamp else None) == instant
    assert {field: getattr(record, field) for field in core} == core
    assert {field: record.attributes.get(field) for field in attributes} == attributes


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, line, *_ in SAMPLES])
def test_a_real_line_is_recognised(name, line):
    """The format is found from the line alone, and from many of its kind with a foreign one between."""
    assert detect(line.encode()) == name
    assert detect(("\n".join([line, "something else", line, line, "\tindented"])).encode()) == name


def test_a_long_first_line_is_recognised() -> None:
    """A first line that is longer than the sample is looked at whole, within bounds."""
    line = b'{"msg": "%s", "level": "error"}\n'
    assert detect(line % (b"x" * 500_000) + line % b"short") == "jsonlines"
    assert detect(line % (b"x" * (LONG_BYTES_MAX + 1))) == "plain"


@pytest.mark.parametrize(("name", "line"), [(name, line) for name, line, *_ in SAMPLES if name != "logfmt"])
def test_every_word_but_those_of_the_time_stays_in_the_message(name, line):
    """What grep -w finds in the line, a search for words finds in the record."""
    (record,), _ = decoded(name, line.encode())
    kept = tokens(record.message)
    lost = [word for word in tokens(line) if word not in kept]
    times = Times(now_ns=NOW)
    assert not lost or times.read(line[line.index(record.message[:1]) :]) is None
    assert sum(map(len, lost)) <= 32
    assert all(any(ch.isdigit() for ch in word) or len(word) <= 3 for word in lost)


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"jsonlines", "json", "journal"}))
def test_a_line_that_the_format_does_not_know_is_kept(name):
    """In text formats nothing is rejected for its content: an odd line is a record with itself as message."""
    records, result = decoded(name, b"??? what is this ???\n")
    assert result.rejected_count == 0
    assert [record.message for record in records] == ["??? what is this ???"]


def test_a_line_without_a_time_has_that_of_the_line_before():
    """An unparsed line between others does not jump to the instant of receipt."""
    records, _ = decoded(
        "timed", b"no time yet\n2026-11-21 10:00:00 one\nsomething else\n2026-11-21 10:00:05 two\n"
    )
    assert [print_time(record.timestamp)[17:] for record in records[1:]] == ["00Z", "00Z", "05Z"]
    assert records[0].timestamp == 0


def test_a_time_that_is_none_stays_in_the_message():
    """What cannot be read as a time is not cut."""
    (record,), _ = decoded("timed", b"2026-13-41 10:00:00 odd\n")
    assert record.message == "2026-13-41 10:00:00 odd"


def test_broken_bytes_and_long_lines_are_said():
    """Bytes that are no UTF-8 are replaced and marked; a line over the limit is rejected with its number."""
    records, result = decoded("plain", b"caf\xe9\r\n" + b"x" * (1 << 21) + b"\nlast\0\n")
    assert [record.message for record in records] == ["caf\ufffd", "last"]
    assert "UTF-8" in str(records[0].attributes)
    assert [one.line for one in result.rejected] == [2]


def test_an_apt_run_is_one_record():
    """A block of history.log is kept together under its start; term.log's text has the time above it."""
    block = (
        b"Start-Date: 2026-11-21  10:48:19\nCommandline: apt-get install cmake\nInstall: cmake:amd64 (3.25)\n"
    )
    block += b"End-Date: 2026-11-21  10:48:25\n"
    assert detect(b"\n" + block) == "apt"
    records, _ = decoded("apt", b"\n" + block + b"\n" + block)
    assert len(records) == 2
    assert print_time(records[0].timestamp) == "2026-11-21T10:48:19Z"
    assert "cmake" in records[0].message
    assert records[0].message.endswith("10:48:25")
    records, _ = decoded(
        "apt", b"Log started: 2026-11-21  10:48:19\nSetting up cmake ...\nLog ended: 2026-11-21  10:48:25\n"
    )
    assert [print_time(record.timestamp)[17:] for record in records] == ["19Z", "19Z", "25Z"]
