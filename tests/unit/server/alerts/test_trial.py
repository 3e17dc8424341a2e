"""Tests of rules: what a file says, what it comes to, and what is said of a file that is none."""

from pathlib import Path

import pytest

from tamis.errors import ConfigError
from tamis.server.alerts.trial import read_rules, read_suite, run_suite
from tests.support.commands import tamis_here

RULE = """
[[rule]]
name = "pay"
query = "pay"
threshold = 2
window = "1m"
cooldown = "10s"
by = ["service"]
"""
TEST = """
[[test]]
name = "two"
records = [
  { at = "5s", message = "pay 1", service = "a" },
  { at = "5s", arrives = "30s", message = "pay 2", service = "a", status = 500 },
]
expect = [{ at = "30s", state = "firing", labels = { service = "a" } }, { at = "1m5s", state = "over" }]
"""


def problems(text: str, tmp_path: Path) -> list[str]:
    file = tmp_path / "suite.toml"
    file.write_text(text)
    return [one.problem for one in run_suite(read_suite(file))]


def test_records_that_come_late_are_judged_when_they_come(tmp_path: Path) -> None:
    """At their own time, told at their arrival."""
    assert problems(RULE + TEST, tmp_path) == [""]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('state = "over"', 'state = "going_on"', "state is not as expected"),
        ('at = "30s", state', 'at = "20s", state', "at is not as expected"),
        ('service = "a" } }', 'service = "b" } }', "labels is not as expected"),
        (', { at = "1m5s", state = "over" }]', "]", "told, and not expected: "),
        ("threshold = 2", "threshold = 3", "expected, and not told: 30s"),
    ],
)
def test_what_is_otherwise_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    """The first difference."""
    (problem,) = problems((RULE + TEST).replace(old, new), tmp_path)
    assert said in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rule]", "is no TOML"),
        (RULE, "there is none"),
        (TEST, "no such rule"),
        (RULE + TEST.replace("[[test]]", '[[test]]\nrule = "none"'), "no such rule"),
        (RULE + TEST.replace("expect", "expects"), "expect"),
        (RULE + TEST.replace('"5s"', '"soon"'), "must be a duration"),
        (RULE + TEST.replace('message = "pay 1"', "times = 1000000"), "100,000 records"),
        (RULE.replace("query", "querry") + TEST, "querry"),
        ("rule = 1", "must be tables"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_reason(tmp_path: Path, text: str, said: str) -> None:
    """Before or while it is lived through; never a trace."""
    with pytest.raises(ConfigError, match=r"(?s).*" + said):
        problems(text, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("expect = ", "# expect = ", "test 'two'"),
        ("[[test]]", 'rulez = "x"\n[[test]]', "rulez"),
        ('state = "over"', 'state = "ended"', "ended"),
        ('state = "over"', 'stat = "over"', "stat"),
        ('state = "over"', 'state = "over", rule = "pya"', "there are pay"),
        ('state = "over"', 'state = "over", level = "x"', "level"),
        ('at = "1m5s"', 'at = "soon"', "expect: at"),
        ('at = "5s", message', "at = 1e300, message", "days"),
        ('name = "two"', 'name = "two"\nrule = "pya"', "there are pay"),
    ],
)
def test_a_slip_in_a_test_is_told_with_its_name(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Before anything is run: nothing that is misspelt is passed over."""
    text = (RULE + TEST).replace(old, new, 1)
    if new.startswith("rulez"):
        text = 'rulez = "x"\n' + RULE + TEST
    with pytest.raises(ConfigError) as caught:
        problems(text, tmp_path)
    assert said in str(caught.value)


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    """No more than a few megabytes of it are read."""
    with pytest.raises(ConfigError, match="no file of rules"):
        problems('rules = "/dev/zero"\n' + TEST, tmp_path)


def test_rules_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    """That a server is given, too."""
    (tmp_path / "rules.toml").write_text(RULE)
    assert [rule.name for rule in read_rules(tmp_path / "rules.toml")] == ["pay"]
    assert problems('rules = "rules.toml"\n' + TEST, tmp_path) == [""]
    with pytest.raises(ConfigError, match="cannot be read"):
        problems('rules = "none.toml"\n' + TEST, tmp_path)


def test_the_command_says_what_failed(tmp_path: Path) -> None:
    """Exit code 1; as JSON too; a file that is none is wrong use."""
    (tmp_path / "s.toml").write_text(
        RULE + TEST + TEST.replace('"two"', '"wrong"').replace('"30s", state', '"9s", state')
    )
    ran = tamis_here("rules", "test", "s.toml", home=tmp_path)
    assert (ran.code, ran.out.splitlines()[-1]) == (1, "1 passed, 1 failed")
    assert '"failed": 1' in tamis_here("rules", "test", "s.toml", "--json", home=tmp_path).out.replace(
        '":1', '": 1'
    )
    assert tamis_here("rules", "test", "none.toml", home=tmp_path).code == 2


def test_a_long_test_may_be_off_by_its_step(tmp_path: Path) -> None:
    """It is looked at 10,000 times, not once a second."""
    rule = RULE.replace('"10s"', '"5d"')
    test = TEST.replace("name =", 'until = "4d"\nname =', 1).replace(', { at = "1m5s", state = "over" }', "")
    assert problems(rule + test, tmp_path) == [""]
