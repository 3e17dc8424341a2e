"""The gate, on made reports: what is refused, what is not, and what it says."""

from dataclasses import replace

import pytest

from tools.validate import stored
from tools.validate.history import DIRTY, way_back
from tools.validate.judge import DOUBLED_PERCENT_MAX, judge, refusal
from tools.validate.model import Check, Figure, Report, Shape, Suite, Worse
from tools.validate.page import render

SPEED = Figure("server.md", "OTLP", "274,734 records/s", 1.20, "≥ 100,000", met=True)
COST = Figure("pipeline.md", "caller", "3.67 µs", 0.26, "≤ 0.30", met=True)
EXACT = Figure("README.md", "kill -9", "nothing lost", None, "exact", met=True)
SHAPE = Shape(100, 2.1, 9, {}, {}, 50_000, 250, ("src/tamis/a.py:1-9",))
GOOD = Report(
    commit="aaaaaaaaaaaa",
    made_at="2026-11-21T12:00:00+00:00",
    machine="two cores.",
    checks=(Check("mypy", True, 10.0),),
    tests=Suite(
        {"tests/unit/cache/test_a.py::test_one": "passed", "tests/system/test_b.py::test_two": "skipped"},
        {"passed": 3, "skipped": 1},
        5.0,
    ),
    figures=(SPEED, COST, EXACT),
    shape=SHAPE,
)


FIRST = ("nothing accepted", "benchmarks/accepted.json")


def kinds(report: Report, accepted: Report | None = GOOD) -> list[tuple[str, str]]:
    return [(one.kind, one.what) for one in judge(report, accepted)]


def with_figure(figure: Figure) -> Report:
    return replace(GOOD, figures=(*(one for one in GOOD.figures if one.key != figure.key), figure))


def test_the_same_report_is_good() -> None:
    """Beside itself."""
    assert judge(GOOD, GOOD) == []


def test_nothing_accepted_is_said_and_refused() -> None:
    """A gate without anything to compare with does not open; the report may become the first accepted one."""
    (found,) = judge(GOOD, None)
    assert found.kind == "nothing accepted"
    assert "there is no accepted report" in found.text
    assert "ACCEPT=1" in way_back(found, None)
    assert "**nothing was accepted yet**" in render(GOOD, None, [found])
    assert refusal([found], "", commit="abc") == ""
    missed = with_figure(replace(EXACT, met=False))
    assert kinds(missed, None) == [FIRST, ("goal", "README.md: kill -9")]
    assert "--because" in refusal(judge(missed, None), "", commit="abc")


def test_a_failing_check_is_refused_with_its_last_word() -> None:
    """Whatever else is fine."""
    (found,) = judge(replace(GOOD, checks=(Check("mypy", False, 1.0, "a\nFound 1 error"),)), GOOD)
    assert (found.kind, found.what) == ("check", "mypy")
    assert "Found 1 error" in found.text


def test_under_all_tests_is_refused() -> None:
    """One that fails is enough; the paths are its file and what it is about."""
    name = "tests/unit/cache/test_a.py::test_one"
    (found,) = judge(replace(GOOD, tests=Suite({**GOOD.tests.outcomes, name: "failed"})), GOOD)
    assert (found.kind, found.what) == ("test", name)
    assert found.paths == ("tests/unit/cache/test_a.py", "src/tamis/cache")
    assert kinds(replace(GOOD, tests=Suite()), None) == [FIRST, ("missing test", "all")]
    assert kinds(replace(GOOD, checks=())) == [("check", "all")]


def test_a_test_that_was_there_is_missed() -> None:
    """Gone, and skipped though it ran before; one that was skipped before may go, and new ones may come."""
    name = "tests/unit/cache/test_a.py::test_one"
    assert kinds(replace(GOOD, tests=Suite({"tests/x.py::test_new": "passed"}))) == [("missing test", name)]
    skipped = replace(GOOD, tests=Suite({**GOOD.tests.outcomes, name: "skipped"}))
    assert kinds(skipped) == [("missing test", name)]


@pytest.mark.parametrize(
    ("figure", "ratio", "refused"),
    [(SPEED, 0.97, False), (SPEED, 0.95, True), (SPEED, 2.0, False), (COST, 0.31, False), (COST, 0.32, True),
     (COST, 0.1, False)],
)  # fmt: skip
def test_a_ratio_may_be_a_fifth_worse(figure: Figure, ratio: float, refused: bool) -> None:
    """Lower where higher is better, higher where lower is; better is always good."""
    found = judge(with_figure(replace(figure, ratio=ratio)), GOOD)
    assert [one.kind for one in found] == ["ratio"] * refused
    if refused:
        assert f"accepted was {figure.ratio:.2f}" in found[0].text
        assert "is better" in found[0].text


def test_the_rounding_of_pages_is_no_news() -> None:
    """0.01 after 0.00 is twice nothing."""
    tiny = replace(COST, ratio=0.0)
    accepted = with_figure(tiny)
    assert judge(with_figure(replace(COST, ratio=0.01)), accepted) == []
    assert [one.kind for one in judge(with_figure(replace(COST, ratio=0.05)), accepted)] == ["ratio"]


def test_a_goal_that_was_met_stays_met() -> None:
    """Though its ratio is worse by less than a fifth; one whose ratio is far worse is told once."""
    assert kinds(with_figure(replace(COST, ratio=0.31, met=False))) == [("goal", "pipeline.md: caller")]
    assert kinds(with_figure(replace(COST, ratio=0.9, met=False))) == [("ratio", "pipeline.md: caller")]
    (found,) = judge(with_figure(replace(COST, ratio=0.31, figure="4 µs", met=False)), GOOD)
    assert found.text == "pipeline.md: caller: 4 µs misses ≤ 0.30; accepted was 3.67 µs, which met it"


def test_figures_that_are_not_there_are_a_reason() -> None:
    """Also when nothing was accepted that had them; they may be accepted for a reason."""
    report = replace(GOOD, absent=("server.md: this page of benchmarks is not among the results",))
    assert kinds(report) == [("missing figure", "server.md")]
    assert kinds(report, None) == [FIRST, ("missing figure", "server.md")]
    assert refusal(judge(report, GOOD), "no room", commit="abc") == ""


def test_goals_without_a_ratio_stay_met() -> None:
    """What was exact is exact, and what was measured is measured; a goal that was missed before is not news."""
    missed = replace(EXACT, met=False, figure="2 lost")
    assert kinds(with_figure(missed)) == [("goal", "README.md: kill -9")]
    assert kinds(with_figure(missed), with_figure(missed)) == []
    assert kinds(replace(GOOD, figures=(SPEED, COST))) == [("missing figure", "README.md: kill -9")]


def test_code_has_limits() -> None:
    """Complexity of one and of all, sizes, and lines that stand twice; the place is named."""
    worse = replace(
        SHAPE,
        too_complex={"src/tamis/a.py:3 f": 11},
        complexity_mean=2.6,
        too_large={"src/tamis/a.py::A": 250},
        doubled=round(SHAPE.lines * (DOUBLED_PERCENT_MAX + 0.1) / 100),
    )
    found = judge(replace(GOOD, shape=worse), GOOD)
    assert [one.kind for one in found] == ["complexity", "complexity", "size", "duplication"]
    assert found[0].paths == found[2].paths == found[3].paths == ("src/tamis/a.py",)


def test_what_may_be_accepted() -> None:
    """A good report of a clean commit; worse figures with a reason; failures never."""
    ratio = Worse("ratio", "x", "x is worse", ("src",))
    test = Worse("test", "y", "y fails", ("tests",))
    assert refusal([], "", commit="abc") == ""
    assert "clean clone" in refusal([], "", commit="abc" + DIRTY)
    assert "--because" in refusal([ratio], "", commit="abc")
    assert refusal([ratio], "pays for exactness", commit="abc") == ""
    assert refusal([ratio, test], "it is late", commit="abc") == "y fails"


def test_reports_are_read_back_as_they_were() -> None:
    """The JSON holds everything; what is no report is refused."""
    for report in (GOOD, replace(GOOD, absent=("a: b",), notes=("c",), because="d")):
        assert stored.decode(stored.encode(report)) == report
    for wrong in ("{}", "[]", stored.encode(GOOD).replace('"format": 1', '"format": 2')):
        with pytest.raises(ValueError, match=r"no report|format 2"):
            stored.decode(wrong)


def test_the_page_says_what_is_worse_and_where_to_go_back_to() -> None:
    """The verdict first, the commits beside each reason, everything else after."""
    ratio = replace(SPEED, ratio=0.6)
    report = replace(with_figure(ratio), commit="bbbbbbbbbbbb")
    (one,) = judge(report, GOOD)
    blamed = replace(one, commits=("c3 Third", "c2 Second"))
    page = render(report, GOOD, [blamed])
    assert page.startswith("# Validation of bbbbbbbbbbbb: 1 reasons to refuse it")
    assert "good at aaaaaaaaaaaa; go back before c2, or look through: c3 Third; c2 Second" in page
    assert "| server.md: OTLP | 274,734 records/s | 0.60 | 1.20 | 50% worse |" in page
    assert "`tests/system/test_b.py::test_two`" in page
    assert "nothing is worse than it may be" in render(GOOD, None, [])
    assert "look at what is not committed" in way_back(one, GOOD)
    assert "nothing was accepted yet" in way_back(one, None)
    assert "- tests.xml is of x." in render(replace(GOOD, notes=("tests.xml is of x",)), None, [])
    failing = replace(GOOD, checks=(Check("mypy", False, 1.0, "a.py:3: wrong\nFound 1 error"),))
    assert "```text\na.py:3: wrong\nFound 1 error\n```" in render(failing, None, [])
