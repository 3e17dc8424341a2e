"""Stack traces stay with the line that starts them; other lines stay apart."""

import pytest

from tamis.wire.base import DEFAULT_LIMITS, WireLimits
from tamis.wire.multiline import last_start, spans

PYTHON = """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    f()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
shop.errors.OrderError: no"""
JAVA = """\
Exception in thread "main" java.lang.RuntimeException: boom
\tat com.example.Shop.main(Shop.java:5)
Caused by: java.io.IOException: disk
\tat com.example.Disk.read(Disk.java:7)
\t... 12 more"""
GO = """\
panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.main()
\t/tmp/x.go:5 +0x1d"""
DOTNET = """\
Unhandled exception. System.InvalidOperationException: no
   at Shop.Main(String[] args) in /src/Shop.cs:line 5
   --- End of inner exception stack trace ---"""
NODE = """\
TypeError: x is not a function
    at Object.<anonymous> (/app/index.js:1:1)
    at node:internal/main/run_main_module:23:47"""
RUBY = """\
app.rb:3:in `foo': no (RuntimeError)
\tfrom app.rb:7:in `<main>'"""


GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in <module>
  | ExceptionGroup: two (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: no
    +------------------------------------"""


def is_start(line):
    return line.startswith(">")


@pytest.mark.parametrize("trace", [PYTHON, JAVA, GO, DOTNET, NODE, RUBY, GROUP])
def test_a_trace_is_one_record(trace):
    """Whatever the language, the trace is whole, and the lines around it are records of their own."""
    lines = ["before", "starts here", *trace.split("\n"), "after", "", "last"]
    found = spans(lines, None, DEFAULT_LIMITS)
    joined = ["\n".join(lines[a : b + 1]) for a, b in found]
    assert joined[0] == "before"
    assert joined[-2:] == ["after", "last"]
    assert trace in "\n".join(joined[1:-2])
    assert len(joined) <= 5


def test_an_error_line_without_prefix_belongs_to_the_record_above():
    """In a format whose records have a prefix, the name of an exception continues one."""
    lines = ["> failed", "java.lang.IllegalStateException: no", "\tat a.B.c(B.java:1)", "> next"]
    assert spans(lines, is_start, DEFAULT_LIMITS) == [(0, 2), (3, 3)]


def test_an_indented_line_after_a_blank_one_stands_alone():
    """Below a record with a prefix, indented lines are its; paragraphs further down are not."""
    assert spans(["> a", "  b", "", "  c", "  d"], is_start, DEFAULT_LIMITS) == [(0, 1), (3, 4)]


def test_indented_lines_of_plain_text_are_lines():
    """Without a prefix to go by, only stack traces are kept together: each line is found as grep finds it."""
    assert spans(["a", "  b", "\tc", "", "  d"], None, DEFAULT_LIMITS) == [(0, 0), (1, 1), (2, 2), (4, 4)]


def test_a_record_has_a_bound():
    """A file of nothing but indented lines is not one endless record."""
    limits = WireLimits(record_lines_max=10, record_bytes_max=100)
    assert spans(["> a"] + ["  b"] * 25, is_start, limits) == [(0, 9), (10, 19), (20, 25)]
    assert spans(["> a"] + [" " * 40 + "b"] * 4, is_start, limits) == [(0, 2), (3, 4)]


def test_the_open_record_is_the_last():
    """What comes next may belong to it."""
    assert last_start(["a", "b", "  at c(d.js:1)"], None, DEFAULT_LIMITS) == 1
    assert last_start(["", " "], None, DEFAULT_LIMITS) == 2
