"""What the query language means, sentence by sentence: a record, a query, whether it finds the record."""

from dataclasses import dataclass
from typing import Any

from tamis.record.model import Record

NOW_NS = 1_763_719_200_000_000_000
"""2025-11-21T10:00:00Z."""


@dataclass(frozen=True)
class Case:
    """`query` finds the record with these fields (core fields by name, the rest in `attributes`), or does not."""

    query: str
    found: bool
    fields: dict[str, Any]

    @property
    def record(self) -> Record:
        """The record."""
        return Record(**{"timestamp": NOW_NS, **self.fields})


def yes(query: str, message: str = "", /, **attributes: Any) -> Case:
    """The query finds a record with this message and these attributes."""
    return Case(query, True, {"message": message, "attributes": attributes})


def no(query: str, message: str = "", /, **attributes: Any) -> Case:
    """The query does not find it."""
    return Case(query, False, {"message": message, "attributes": attributes})


def yes_core(query: str, **fields: Any) -> Case:
    """The query finds a record with these core fields."""
    return Case(query, True, fields)


def no_core(query: str, **fields: Any) -> Case:
    """The query does not find it."""
    return Case(query, False, fields)


BIG = 2**70

CASES: tuple[Case, ...] = (
    # words and phrases in the message
    yes("", "x"),
    yes("*", ""),
    yes("NOT NOT *", "x"),
    no("NOT *", "x"),
    yes("timeout", "a Timeout!"),
    no("time", "timeout"),
    no("timeout", "timeouts"),
    no("time", "time_out"),
    yes("checkout timeout", "timeout of checkout"),
    no("checkout timeout", "checkout only"),
    yes('"connection refused"', "Connection-REFUSED"),
    no('"connection refused"', "connection was refused"),
    no('"connection refused"', "refused connection"),
    yes("10.0.0.1", "from 10.0.0.1:80"),
    no("10.0.0.1", "10.0.0.12"),
    yes("foo-bar", "foo bar"),
    yes("/var/log/x", "in /var/log/x.1"),
    yes('"->"', "a -> b"),
    no('"->"', "a > b"),
    yes('""', ""),
    yes('"Ü"', "ü"),
    yes("straße", "STRAßE"),
    no("strasse", "straße"),
    yes("σίσυφος", "ΣΊΣΥΦΟΣ"),
    yes("a", "b a"),
    yes('"a b a c"', "a b a b a c"),
    yes("error", "x=error;"),
    yes("1", "a 1 b"),
    no("1", "10"),
    # prefix
    yes("time*", "timeout"),
    no("imeout*", "timeout"),
    yes('"connection ref"*', "connection refused"),
    no('"conn ref"*', "connection refused"),
    yes("10.0.*", "10.0.9.1"),
    yes("status:40*", status=404),
    no("status:4*", status=-5),
    yes("flag:tr*", flag=True),
    yes('""*', "x"),
    yes("x:2*", x=2.5),
    no("x:2*", x=12),
    # substring
    yes('message:~"tion ref"', "ConnecTION REFused"),
    no("message:~xyz", "x y z"),
    yes("x:~04", x=404),
    yes("x:~ru", x=True),
    yes('x:~""', x="a"),
    no('x:~""', y="a"),
    # exact
    yes_core("service:=Shop", service="Shop"),
    no_core("service:=shop", service="Shop"),
    no_core("service:=Sho", service="Shop"),
    yes('x:="a b"', x="a b"),
    yes("x:=404", x=404),
    yes("x:=404.0", x=404),
    yes("x:=5", x=5.0),
    yes("x:=true", x=True),
    no("x:=TRUE", x=True),
    no("x:=1", x=True),
    no("x:=404.0", x="404"),
    yes('x:=""', x=""),
    yes_core('message:=""', message=""),
    # regular expressions
    yes(r"message:/blk_-?\d+/", "x blk_-12"),
    no("message:/BLK/", "blk"),
    yes("message:/(?i)BLK/", "blk"),
    no("message:/a.b/", "a\nb"),
    yes("x:/^4.4$/", x=404),
    yes("x:/^tr/", x=True),
    yes("x:/^2.5$/", x=2.5),
    no("x:/1/", y=1),
    yes(r"message:/a\/b/", "a/b"),
    # numbers and booleans in phrases
    yes("x:404", x=404),
    yes("x:404.0", x=404),
    yes("x:404", x=404.0),
    yes("x:404", x="404"),
    yes("x:404", x="404.0"),
    yes("x:4.04e2", x="404"),
    no("x:404", x="4040"),
    yes("x:404", x="code 404 it was"),
    no("x:404", x=True),
    no("x:1", x=True),
    yes("x:true", x=True),
    yes("x:TRUE", x=True),
    no("x:true", x=False),
    yes("x:false", x=False),
    yes("x:-1", x=-1),
    yes(f"x:{BIG}", x=BIG),
    no(f"x:{BIG}", x=BIG + 1),
    yes("x:0", x=-0.0),
    no("x:007", x=True),
    yes("x:007", x=7),
    no_core("service:404.0", service="404"),
    yes_core("service:404", service="404"),
    no("x:abc", x=5),
    # comparisons
    yes("x>250", x=251),
    no("x>250", x=250),
    yes("x>=250", x=250),
    yes("x<2.5", x=2),
    no("x<2", x="abc"),
    yes("x<2.5", x="2.4"),
    yes("x>9", x="10"),
    no("x>9", x=True),
    no("x>9", y=10),
    yes("x>abc", x="abd"),
    no("x>abc", x="abc"),
    no("x>abc", x=5),
    yes("x>abc", x="b"),
    no("x>b", x="abc"),
    no("x>abc", x="10"),
    yes("x<abc", x="10"),
    no("x<abc", x=10),
    yes('x>""', x="a"),
    yes(f"x>{2**53}", x=2**53 + 1),
    no(f"x>{2**53 + 1}", x=2**53 + 1),
    yes(f"x>={BIG}", x=BIG),
    no(f"x>{BIG}", x=BIG),
    yes("x<1e300", x=BIG),
    yes("x>1e3", x=1001),
    yes("x<-1", x=-1.5),
    no("x>5", x="1e999"),
    no("x<5", x=""),
    yes("x:[500 TO 599]", x=500),
    yes("x:[500 TO 599]", x=599),
    no("x:{500 TO 599]", x=500),
    no("x:[500 TO 599}", x=599),
    yes("x:[500 TO *]", x=10**9),
    no("x:[500 TO *]", x="abc"),
    yes("x:[* TO b]", x="abc"),
    no("x:[5 TO 1]", x=3),
    yes("x:(404 OR 410)", x=410),
    no("x:(404 OR 410)", x=411),
    yes("x:(>1 <5)", x=3),
    no("x:(>1 NOT 3)", x=3),
    yes_core("service>=404", service="404"),
    yes_core("service>5", service="40"),
    yes_core("service>5", service="abc"),
    no_core("service>b", service="abc"),
    yes_core("message>a", message="b"),
    no_core("host>a"),
    yes_core("host<5", host="10.0.0.1"),
    # level
    yes_core("level>=warning", level="ERROR"),
    yes_core("level>=warn", level="WARNING"),
    no_core("level>warning", level="WARNING"),
    yes_core("level<warning", level="INFO"),
    no_core("level<critical", level="CUSTOM"),
    no_core("level>=trace"),
    yes_core("level:[info TO error]", level="WARNING"),
    no_core("level:[info TO error}", level="ERROR"),
    yes_core("level>=13", level="WARNING"),
    no_core("level>=13.5", level="WARNING"),
    yes_core("level:warn", level="WARNING"),
    yes_core("level:error", level="ERROR"),
    no_core("level:err*", level="WARNING"),
    yes_core("level:err*", level="ERROR"),
    no_core("level:=error", level="ERROR"),
    yes_core("level:custom", level="CUSTOM"),
    no_core("level:DEBUG", level="DEBUG2"),
    yes_core("level:*", level=""),
    # existence, absence, NOT
    yes("x:*", x=0),
    yes("x:*", x=False),
    yes("x:*", x=""),
    yes("x:*", x=[]),
    yes("x:*", x={}),
    no("x:*", y=1),
    yes("NOT x:*", y=1),
    yes("NOT x:1", y=1),
    yes("NOT x:1", x=2),
    no("NOT x:1", x=1),
    yes("message:*", ""),
    yes_core("timestamp:*"),
    yes_core("received:*"),
    no_core("host:*"),
    yes("-x:1", x=2),
    yes("user_id:* NOT user_name:*", user_id=1),
    # AND, OR, parentheses
    yes("a b OR c", "c"),
    yes("a OR b c", "a"),
    no("(a OR b) c", "a"),
    yes("(a OR b) NOT c", "b"),
    no("(a OR b) NOT c", "b c"),
    yes("NOT (a b)", "a"),
    yes("NOT a b", "b"),
    no("NOT a b", "a b"),
    yes("a AND b", "b a"),
    yes("* a", "a"),
    # names, nesting, lists
    yes("user.id:7", **{"user.id": 7}),
    yes("user.id:7", user={"id": 7}),
    yes("user.id:7", user={"id": 7}, **{"user.id": 8}),
    yes("user.id:8", user={"id": 7}, **{"user.id": 8}),
    yes("a.b.c:1", a={"b.c": 1}),
    yes("a.b.c:1", **{"a.b": {"c": 1}}),
    yes("user:*", user={"id": 7}),
    no("user:7", user={"id": 7}),
    no("user:~id", user={"id": 7}),
    no("user.id:*", user={"name": 1}),
    yes("tags:a", tags=["b", "a"]),
    yes("tags:7", tags=["b", [7]]),
    no("tags:a", tags=[{"a": "a"}]),
    no("tags:*", other=["a"]),
    yes("tags>5", tags=[1, 9]),
    no("tags:[4 TO 5]", tags=[3, 6]),
    no("tags:~[", tags=["a"]),
    no("tags:=a", tags=["b"]),
    no("tags:a", tags=[]),
    yes('"weird field":x', **{"weird field": "x"}),
    yes(r'"\u0000":x', **{"\0": "x"}),
    yes(r'"a\u0000b.c":x', **{"a\0b": {"c": "x"}}),
    no(r'"a\u0000":x', a="x"),
    no("a:x", **{"a\0b": "x"}),
    yes("a.b.c.d.e.f.g:x", **{"a.b.c.d.e.f": {"g": "x"}}),
    yes("größe:x", **{"größe": "x"}),
    yes("k8s.io/name:x", **{"k8s.io/name": "x"}),
    yes("@meta:x", **{"@meta": "x"}),
    yes("$ref:x", **{"$ref": "x"}),
    yes('"_time":5', _time=5),
    yes('"pattern":x', pattern="x"),
    yes("attributes.level:x", level="x"),
    no("level:x", level="x"),
    yes("attributes.x:1", x=1),
    no("attributes.level:*", y=1),
    Case("level:error", True, {"level": "ERROR", "attributes": {"level": "debug"}}),
    Case("attributes.level>5", True, {"level": "ERROR", "attributes": {"level": 6}}),
    # time: now is 2025-11-21T10:00:00Z, and so is the record's timestamp
    yes_core("_time:-15m"),
    no_core("_time:[* TO now]"),
    yes_core("_time:[now TO *]"),
    no_core("_time:+1s"),
    yes_core("_time:[-1h TO +1ns]"),
    no_core("_time:[-2h TO -1h]"),
    yes_core("_time:2025-11-21"),
    no_core("_time:2025-11-22"),
    yes_core("timestamp>=2025-11-21T10:00:00Z"),
    no_core("timestamp>2025-11-21T10:00:00Z"),
    yes_core("timestamp<=now"),
    no_core("timestamp<now"),
    yes_core("timestamp:[now TO now]"),
    no_core("timestamp:{now TO now]"),
    no_core("timestamp:[now TO now}"),
    yes_core("_time>=1763719200000"),
    no_core("_time<1763719200000000"),
    yes_core("timestamp>=2025-11-21T12:00:00+02:00"),
    no_core("_time:[2025-11-21T10:00:00.000000001Z TO *]"),
    no_core("NOT _time:-15m"),
    yes_core("received>=-1h"),
    no_core("received>now"),
    # patterns
    yes("pattern:p_4b0b1ffb8f4ae6d6 OR *", "order 7"),
    no("pattern:p_1", "order 7"),
    yes("NOT pattern:p_1", "order 7"),
)
