"""The examples in the docs are examples: commands take these options, queries parse, settings load."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from tamis.cli.app import COMMANDS, build_app
from tamis.cli.failure import UsageError
from tamis.errors import ConfigError, QueryError
from tamis.query.parser import parse
from tamis.server.alerts.trial import read_rules, read_suite, run_suite
from tamis.settings import load_settings
from tests.tidy.sources import ROOT, tracked

FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ASKING = ("search", "tail", "stats", "patterns", "export", "delete")


def fences(language: str, text: str) -> list[str]:
    return [body for name, body in FENCE.findall(text) if name == language]


def commands(text: str) -> Iterator[list[str]]:
    """The words of each `$ tamis …` in the consoles of a page."""
    for body in fences("console", text):
        for line in body.splitlines():
            if line.startswith("$ tamis "):
                yield shlex.split(line.removeprefix("$ tamis "), comments=True)


def wrong_commands(text: str) -> Iterator[str]:
    for words in commands(text):
        try:
            app = build_app(words[0])
            _, given, _ = app.parse_args(words, exit_on_error=False, print_error=False)
            if words[0] in ASKING:
                parse(" ".join(given.arguments.get("query", ())))
        except (CycloptsError, UsageError, QueryError) as error:
            yield f"tamis {shlex.join(words)}: {error}"


def wrong_settings(text: str, folder: Path) -> Iterator[str]:
    """Settings in the TOML of a page that cannot be loaded."""
    for number, body in enumerate(fences("toml", text)):
        if is_about_rules(body):
            continue
        file = folder / f"{number}.toml"
        file.write_text(body, encoding="utf-8")
        try:
            load_settings({}, {}, file)
        except ConfigError as error:
            yield str(error)


def is_about_rules(body: str) -> bool:
    """Whether a TOML of a page holds alert rules or their tests, and no settings."""
    return "[[rule]]" in body or "[[test]]" in body


def wrong_rules(text: str, folder: Path) -> Iterator[str]:
    """Alert rules of a page that are none, and tests of them that fail; a page's rules stand in `rules.toml`."""
    bodies = [body for body in fences("toml", text) if is_about_rules(body)]
    rules = folder / "rules.toml"
    rules.write_text("\n".join(body for body in bodies if "[[test]]" not in body), encoding="utf-8")
    try:
        read_rules(rules)
        for number, body in enumerate(bodies):
            if "[[test]]" in body:
                file = folder / f"test{number}.toml"
                file.write_text(body, encoding="utf-8")
                yield from (
                    f"{one.name}: {one.problem}" for one in run_suite(read_suite(file)) if one.problem
                )
    except ConfigError as error:
        yield str(error)


def pages() -> list[Path]:
    return [ROOT / path for path in tracked() if path.suffix == ".md"]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_settings_of_the_docs_work(page: Path, tmp_path: Path) -> None:
    """What a reader copies is taken by the release it stands in."""
    text = page.read_text(encoding="utf-8")
    assert [*wrong_commands(text), *wrong_settings(text, tmp_path), *wrong_rules(text, tmp_path)] == []


def test_the_command_rule_can_fail() -> None:
    """A command, an option and a query that do not exist are seen; output is not taken for commands."""
    bad = ["serch x", "search x --limitt 3", "search 'level:[1 TO'"]
    assert len(list(wrong_commands("".join(f"```console\n$ tamis {line}\n```\n" for line in bad)))) == len(
        bad
    )
    assert (
        list(wrong_commands("```console\n$ tamis search error --limit 3  # some\ntamis serch\n```\n")) == []
    )
    assert set(ASKING) <= set(COMMANDS)


def test_the_settings_rule_can_fail(tmp_path: Path) -> None:
    """A setting that does not exist is seen."""
    assert list(wrong_settings("```toml\n[server]\nprot = 1\n```\n", tmp_path))
    assert not list(wrong_settings("```toml\n[server]\nport = 1\n```\n", tmp_path))


def test_the_rule_of_alert_rules_can_fail(tmp_path: Path) -> None:
    """A rule that is none is seen, and a test that fails."""
    rule = "```toml\n[[rule]]\nname = 'a'\nquery = 'pay'\n```\n"
    test = "```toml\nrules = 'rules.toml'\n[[test]]\nname = 't'\nrecords = [{ message = 'pay' }]\nexpect = []\n```\n"
    assert list(wrong_rules(rule.replace("pay", "level>="), tmp_path))
    assert list(wrong_rules(rule + test, tmp_path)) == ["t: told, and not expected: 0s a firing"]
    assert not list(wrong_rules(rule, tmp_path))
