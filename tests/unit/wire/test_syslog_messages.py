"""Syslog from the network: the RFCs' own examples, what devices really send, and both readers alike."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tamis.record.model import Record
from tamis.wire import syslog_messages
from tamis.wire.arrivals import Arrival
from tamis.wire.base import DecodeOptions
from tamis.wire.syslog_messages import decode_messages, parse

NOW = int(datetime(2026, 11, 21, 10, tzinfo=UTC).timestamp()) * 10**9
PEER = "192.0.2.7"


def decoded(
    *messages: bytes, options: DecodeOptions | None = None, cut: dict[int, int] | None = None
) -> list[Record]:
    """The records of messages."""
    options = options or DecodeOptions(now_ns=NOW)
    found = decode_messages([Arrival(PEER, NOW, list(messages), cut or {})], options)
    assert found.rejected == ()
    return list(found.columns.records(0))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def test_the_examples_of_rfc_5424() -> None:
    """Section 6.5: with and without structured data, with and without a message, with a byte order mark."""
    one, two, three, four = decoded(
        b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed for lonvick",
        b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
        b"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
        b'[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] \xef\xbb\xbfAn application event',
        b"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
        b'[exampleSDID@32473 iut="3" q="a \\"b\\" \\] \\\\"][examplePriority@32473 class="high"]',
    )
    assert one == Record(
        timestamp=at("2003-10-11T22:14:15+00:00") + 3_000_000,
        message="'su root' failed for lonvick",
        level="CRITICAL",
        service="su",
        host="mymachine.example.com",
        attributes={"facility": "auth", "msgid": "ID47", "peer": PEER},
    )
    assert (two.timestamp, two.attributes["pid"]) == (at("2003-08-24T12:14:15+00:00") + 3_000, 8710)
    assert three.attributes["structured_data"] == {
        "exampleSDID@32473": {"iut": "3", "eventSource": "Application", "eventID": "1011"}
    }
    assert four.message == ""
    assert four.attributes["structured_data"] == {
        "exampleSDID@32473": {"iut": "3", "q": 'a "b" ] \\'},
        "examplePriority@32473": {"class": "high"},
    }


def test_rfc_3164_as_it_is_sent() -> None:
    """With a host or without, with a process id or without, with a year, a fraction or an ISO time; or no header."""
    records = decoded(
        b"<34>Nov 11 22:14:15 mymachine su: 'su root' failed",
        b"<13>Nov 21 09:00:00 sshd[12]: no host",
        b"<13>Nov  1 09:00:00 fe80::1 sshd[12]: an address",
        b"<13>Nov 21 2025 09:00:00 host app: a year",
        b"<13>2026-11-21T10:00:00.5+01:00 host postfix/smtpd[a-1]: ISO",
        b"<14>app[7]: no time",
        b"<14>Error: no tag",
        b"<189>45: *Mar  1 00:00:35.123 UTC: %LINK-3-UPDOWN: a router",
        b"no header at all",
        b"<999>no priority",
    )
    assert [(one.service, one.host, one.message) for one in records] == [
        ("su", "mymachine", "'su root' failed"),
        ("sshd", PEER, "no host"),
        ("sshd", "fe80::1", "an address"),
        ("app", "host", "a year"),
        ("postfix/smtpd", "host", "ISO"),
        ("app", PEER, "no time"),
        (None, PEER, "Error: no tag"),
        (None, PEER, "45: *Mar  1 00:00:35.123 UTC: %LINK-3-UPDOWN: a router"),
        (None, PEER, "no header at all"),
        (None, PEER, "<999>no priority"),
    ]
    assert records[0].timestamp == at("2026-11-11T22:14:15+00:00")
    assert records[3].timestamp == at("2025-11-21T09:00:00+00:00")
    assert records[4].timestamp == at("2026-11-21T09:00:00+00:00") + 500_000_000
    assert records[5].timestamp == NOW
    assert [one.level for one in records[7:]] == ["NOTICE", None, None]


def test_a_time_without_zone_or_year_is_read_where_the_settings_say() -> None:
    """`ingest.zone`; and a day that has not come yet this year was last year's."""
    options = DecodeOptions(now_ns=NOW, zone=ZoneInfo("Europe/Paris"))
    summer, december = decoded(b"<13>Jul  1 12:00:00 h a: x", b"<13>Dec 24 12:00:00 h a: x", options=options)
    assert summer.timestamp == at("2026-07-01T12:00:00+02:00")
    assert december.timestamp == at("2025-12-24T12:00:00+01:00")


def test_what_had_to_be_changed_is_said() -> None:
    """A cut, bytes that are no text, and a time that is none: each keeps what can be kept, and says so."""
    cut, broken, timeless = decoded(
        b"<13>Nov 21 09:00:00 h a: cut",
        b"<13>Nov 21 09:00:00 h a: caf\xe9",
        b"<13>1 2026-99-21T10:00:00Z h a - - - x",
        cut={0: 1_234},
    )
    assert cut.attributes["decode_note"] == "cut: 1,234 bytes over listener.message_bytes_max were left out"
    assert broken.message == "caf\ufffd"
    assert "UTF-8" in str(broken.attributes["decode_note"])
    assert timeless.timestamp == NOW
    assert timeless.attributes["time"] == "2026-99-21T10:00:00Z"
    assert "time" in str(timeless.attributes["decode_note"])


def test_blank_messages_are_no_records() -> None:
    """An empty line or datagram says nothing."""
    records = decoded(b"", b"<13>Nov 21 09:00:00 h a: one", b"\r\n\0", b"\r")
    assert [one.message for one in records] == ["one"]


WORD = st.text(st.characters(codec="utf-8", exclude_characters=" "), min_size=1, max_size=8)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
PRI = st.integers(0, 999).map(str)
TIME = st.sampled_from(
    [
        "-",
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:00:00.5+01:00",
        "2026-99-21T10:00:00Z",
        "Nov 21 10:00:00",
        "Nov  1 1:00:00",
    ]
)
DATA = st.one_of(
    st.sampled_from(
        ["-", "", "[a]", '[a b="c"]', '[a b="]"][c d="\\""]', '[a b="', "[[", '[a b="c"]x', '[a b="\\\\"]']
    ),
    st.text('[]"\\= ab-', max_size=12),
)
NEW = st.builds(
    lambda pri, version, stamp, words, data, text: f"<{pri}>{version} {stamp} {' '.join(words)} {data}{text}",
    PRI, st.sampled_from(["1", "2", "12", "0", "1234", ""]), TIME, st.lists(WORD, min_size=3, max_size=5), DATA,
    st.one_of(st.just(""), TEXT.map(" {}".format), TEXT),
)  # fmt: skip
OLD = st.builds(
    lambda pri, stamp, host, tag, text: f"<{pri}>{stamp} {host}{tag}{text}",
    PRI, TIME, st.one_of(st.just(""), WORD.map("{} ".format)),
    st.one_of(st.just(""), WORD, WORD.map("{}: ".format), WORD.map("{}[12]:".format), WORD.map("{}[x]: ".format)), TEXT,
)  # fmt: skip


@settings(max_examples=600)
@given(st.one_of(NEW, OLD, TEXT))
@example("<13>1 - h a - - [a] x")
@example("<13>1 - h a - - -")
@example("<34>Oct 11 22:14:15 h a[1]:x")
def test_the_quick_way_and_the_parser_are_one(text: str) -> None:
    """What an expression reads at once has the parts that the parser finds step by step."""
    quick = syslog_messages._NEW_USUAL.fullmatch(text) or syslog_messages._OLD_USUAL.fullmatch(text)
    if quick is not None:
        assert quick.groups() == parse(text)


@pytest.mark.parametrize("text", ["<13>1 - h a - - [a] x", "<34>Oct 11 22:14:15 h a[1]: x"])
def test_usual_messages_take_the_quick_way(text: str) -> None:
    """The property above says something of them."""
    assert syslog_messages._NEW_USUAL.fullmatch(text) or syslog_messages._OLD_USUAL.fullmatch(text)


@settings(max_examples=300)
@given(st.lists(st.one_of(st.binary(max_size=80), NEW.map(str.encode), OLD.map(str.encode)), max_size=6))
def test_any_bytes_are_records(messages: list[bytes]) -> None:
    """There is nothing that cannot be kept: a record of each message that is not blank, whatever it holds."""
    records = decoded(*messages)
    assert len(records) == sum(1 for one in messages if one.decode("utf-8", "replace").strip("\r\n\0"))


@pytest.mark.parametrize(
    "text", ["<13>1 - h a - - " + '[a b="' * 20_000, "<13>1 - h a - - [" + "\\" * 60_000, "[" * 60_000]
)
def test_no_message_takes_long(text: str) -> None:
    """Structured data that never end are read in one go, by both ways: this would take hours otherwise."""
    assert syslog_messages._NEW_USUAL.fullmatch(text) is None
    assert len(parse(text)[7]) > 50_000
