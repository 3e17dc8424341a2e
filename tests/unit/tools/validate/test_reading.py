"""What validation reads: JUnit's XML, pages of benchmarks, code, git."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.keeping import page as keeping
from benchmarks.report import Goal
from tests.tidy.sources import ROOT
from tests.unit.tools.validate.test_judge import GOOD
from tools.validate import checks, figures, history, suite
from tools.validate.__main__ import Progress, make
from tools.validate.doubled import WINDOW, code_lines, doubled
from tools.validate.model import Check, Worse
from tools.validate.shape import complexities
from tools.validate.taken import COMMITS, Results


def test_tests_are_read_by_function(tmp_path: Path) -> None:
    """Cases of one function count together, the worst says how it ended; classes and errors are known."""
    (tmp_path / "tests/unit").mkdir(parents=True)
    (tmp_path / "tests/unit/test_a.py").touch()
    xml = tmp_path / "tests.xml"
    xml.write_text(
        """<testsuites><testsuite>
        <testcase classname="tests.unit.test_a" name="test_one[1]" time="0.5"/>
        <testcase classname="tests.unit.test_a" name="test_one[2]" time="1.0"><failure message="no"/></testcase>
        <testcase classname="tests.unit.test_a" name="test_two" time="0"><skipped/></testcase>
        <testcase classname="tests.unit.test_a.TestIt" name="test_three" time="0"/>
        <testcase classname="tests.unit.test_a" name="test_four" time="0"><error message="setup"/></testcase>
        </testsuite></testsuites>""",
        encoding="utf-8",
    )
    found = suite.read(xml, tmp_path)
    assert found.outcomes == {
        "tests/unit/test_a.py::test_one": "failed",
        "tests/unit/test_a.py::test_two": "skipped",
        "tests/unit/test_a.py::TestIt::test_three": "passed",
        "tests/unit/test_a.py::test_four": "failed",
    }
    assert (found.cases, found.seconds) == ({"passed": 2, "failed": 2, "skipped": 1}, 1.5)


def test_goals_are_read_as_they_are_written() -> None:
    """A row of `Goal` comes back with its ratio and verdict; other tables are not taken for goals."""
    goals = [
        Goal("a: b", "1,000/s", "500/s", 2.0, "≥ 1.5", True),
        Goal("`import`", "3 ms", "", None, "≤ 40 ms", True),
        Goal("c", "", "chDB", 1.267, "≤ 1.0", False),
    ]
    text = "\n".join(["| what | figure | yardstick | ratio | goal | |", "|---|---|---|---|---|---|",
                      *(goal.row() for goal in goals), "| a | b | c | 1.0 | d | e |"])  # fmt: skip
    found = list(figures.rows("server.md", text))
    assert [(one.what, one.ratio, one.met, one.better) for one in found] == [
        ("a: b", 2.0, True, "higher"),
        ("`import`", None, True, ""),
        ("c", 1.27, False, "lower"),
    ]


def test_the_projects_own_pages_have_goals() -> None:
    """Each page that is there holds goals, under names that are theirs alone."""
    found = figures.read(ROOT / "benchmarks")
    assert {one.page for one in found} == {
        page for page in figures.PARTS if (ROOT / "benchmarks" / page).exists()
    }
    assert len({one.key for one in found}) == len(found)
    assert set(figures.PATHS) == set(figures.PARTS)
    assert all((ROOT / path).exists() for paths in figures.PATHS.values() for path in paths)


BODY = """\
    a = first(b)
    c = second(a)
    d = third(c)
    e = fourth(d)
    f = fifth(e)
    return sixth(f)
"""


def test_lines_that_stand_twice_are_found() -> None:
    """Six that do something, however laid out and commented; five are not enough; imports and texts do not count."""
    other = BODY.replace("first(b)", "first(  b )  # why").replace("    c =", "\n    # more\n    c =")
    lines, twice, clones = doubled(
        [("a.py", f"def one(b):\n{BODY}"), ("b.py", f"def two(b):\n    x = 1\n{other}")]
    )
    assert (lines, twice) == (15, 12)
    assert clones == ["b.py:3-10", "a.py:2-7"]
    short = BODY.replace("    a = first(b)\n", "")
    assert doubled([("a.py", f"def one(a):\n{short}"), ("b.py", f"def two(a):\n{short}")])[1] == 0
    imports = "".join(f"import m{number}\n" for number in range(9)) + '"""' + "text\n" * 9 + '"""\n'
    assert doubled([("a.py", imports), ("b.py", imports)]) == (0, 0, [])


@given(st.lists(st.integers(0, 3), max_size=30), st.lists(st.integers(0, 3), max_size=30))
def test_doubled_lines_are_those_of_windows_that_recur(first: list[int], second: list[int]) -> None:
    """The same as looking at every pair of windows."""
    texts = {"a.py": first, "b.py": second}
    made = [(path, "".join(f"x = {number}\n" for number in numbers)) for path, numbers in texts.items()]
    spots = [(path, at) for path, numbers in texts.items() for at in range(len(numbers) - WINDOW + 1)]
    hit = {
        (path, at + step)
        for path, at in spots
        if any(
            (path, at) != (other, to) and texts[path][at : at + WINDOW] == texts[other][to : to + WINDOW]
            for other, to in spots
        )
        for step in range(WINDOW)
    }
    assert doubled(made)[:2] == (len(first) + len(second), len(hit))


def test_code_lines_leave_out_what_does_nothing() -> None:
    """Docstrings, comments, imports, `__all__` and lone brackets."""
    text = '"""Doc."""\nimport a\n\n__all__ = [\n    "x",\n]\nx = f(  # why\n    1,\n)\n'
    assert [words for _, words in code_lines(text)] == ["x = f (", "1 ,"]


def test_complexity_is_known_of_every_function(tmp_path: Path) -> None:
    """Of simple ones too."""
    for name in ("src", "tools", "benchmarks"):
        (tmp_path / name).mkdir()
    (tmp_path / "src/a.py").write_text(
        "def f(x):\n    if x:\n        return 1\n    return 2\n\n\ndef g():\n    pass\n", "utf-8"
    )
    assert complexities(tmp_path) == {"src/a.py:1 f": 2, "src/a.py:7 g": 1}


def test_the_checks_are_those_of_the_makefile() -> None:
    """Nobody has to keep a second list."""
    names = [checks.name_of(command) for command in checks.commands(ROOT)]
    assert {"ruff check", "mypy", "lint-imports", "pytest tests/tidy"} <= set(names)
    assert not any("uv" in name.split() for name in names)


def test_commits_since_the_accepted_one_are_named(tmp_path: Path) -> None:
    """Those that touch the paths, the newest first; a changed file is told from a clean commit."""

    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, timeout=60)

    git("init", "-q")
    for number, (file, subject) in enumerate(
        [("a.py", "Begin"), ("a.py", "Slow it"), ("b.py", "Other"), ("a.py", "Slow it more")]
    ):
        (tmp_path / file).write_text(f"x = {number}\n", encoding="utf-8")
        git("add", file)
        git("commit", "-qm", subject)
        if not number:
            accepted = replace(GOOD, commit=history.commit_of(tmp_path))
    one = Worse("ratio", "x", "x is worse", ("a.py",))
    (found,) = history.blame(tmp_path, [one], accepted)
    assert [line.partition(" ")[2] for line in found.commits] == ["Slow it more", "Slow it"]
    assert history.way_back(found, accepted).startswith(
        f"good at {accepted.commit}; go back before {found.commits[-1][:7]}"
    )
    assert not history.commit_of(tmp_path).endswith(history.DIRTY)
    (tmp_path / "a.py").write_text("x = 9\n", encoding="utf-8")
    assert history.commit_of(tmp_path).endswith(history.DIRTY)


def test_what_a_page_did_not_measure_is_known() -> None:
    """A part without figures says so in its page; a page without goals is no page."""
    row = Goal("a", "1", "2", 0.5, "≤ 1", True).row()
    told = "**Caches** was not measured: it took more than 300 s"
    assert figures.unmeasured("keeping.md", f"{row}\n\n{told}\n") == [f"keeping.md: {told}"]
    assert figures.unmeasured("keeping.md", row) == []
    assert figures.unmeasured("keeping.md", "# Nothing") == ["keeping.md: it holds no goal"]


def test_the_page_of_keeping_names_parts_without_figures(tmp_path: Path) -> None:
    """What was never measured is said, and how to; validation reads it."""
    page = keeping.render(tmp_path)
    assert "**Caches** was not measured: `python -m benchmarks.keeping cache` does it" in page
    assert len(figures.unmeasured("keeping.md", page)) == len(keeping.parts())


def test_given_results_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing runs anew of what is there; pages that are not there are missing, though the folder for the report holds
    old ones; what is of another commit, or of one that nobody knows, is told."""
    given, out = tmp_path / "given", tmp_path / "out"
    for folder in (given, out):
        folder.mkdir()
    checks.keep(given / "checks.json", [Check("mypy", True, 3.0)])
    suite_xml = '<testsuite><testcase classname="tests.unit.a" name="test_b" time="1"/></testsuite>'
    (given / "tests.xml").write_text(suite_xml, encoding="utf-8")
    row = Goal("a", "1", "2", 0.5, "≤ 1", True).row()
    (given / "server.md").write_text(f"# Figures\n\n{row}\n", encoding="utf-8")
    (out / "pipeline.md").write_text(f"# Old\n\n{row}\n", encoding="utf-8")
    (given / COMMITS).write_text('{"tests.xml": "000000000000"}', encoding="utf-8")
    report = make(given, out, workers=1, progress=Progress(), measure=lambda _: GOOD.shape)
    assert report.checks == (Check("mypy", True, 3.0),)
    assert report.tests.outcomes == {"tests/unit/a.py::test_b": "passed"}
    assert [(one.key, one.ratio) for one in report.figures] == [("server.md: a", 0.5)]
    assert report.shape == GOOD.shape
    assert [text.partition(":")[0] for text in report.absent] == ["README.md", "pipeline.md", "keeping.md"]
    assert [note.partition("; ")[0] for note in report.notes] == [
        "checks.json was given and is of a commit that nobody wrote down",
        "tests.xml was given and is of 000000000000",
        "server.md was given and is of a commit that nobody wrote down",
    ]
    assert {path.name for path in out.iterdir()} == {"checks.json", "tests.xml", "server.md", COMMITS}
    told = [line.split("s  ")[-1] for line in capsys.readouterr().out.splitlines()]
    assert [line[:5] for line in told] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]
    again = make(out, out, workers=1, progress=Progress(), measure=lambda _: GOOD.shape)
    assert replace(again, made_at=report.made_at, commit=report.commit, notes=report.notes) == report


def test_results_of_what_is_checked_out_need_no_word(tmp_path: Path) -> None:
    """Made and taken again at the same commit nothing is told; at the next one, and with changed files, it is."""
    (tmp_path / "tests.xml").touch()
    made = Results(None, tmp_path, "aaa")
    made.made("tests.xml")
    made.keep()
    for commit, told in (("aaa", 0), ("bbb", 1), ("aaa-dirty", 1)):
        taken = Results(tmp_path, tmp_path, commit)
        assert taken.take("tests.xml")
        assert len(taken.notes) == told
    (tmp_path / COMMITS).write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"commits\.json: it must hold"):
        Results(tmp_path, tmp_path, "aaa")
