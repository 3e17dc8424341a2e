"""``tamis rules``: the commands."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from tamis.cli.failure import Exit, UsageError
from tamis.cli.options import Flag, Where
from tamis.cli.rules.channels import channels
from tamis.cli.rules.client import RulesClient, rules_of
from tamis.cli.rules.show import print_history, print_list, print_rule, print_silences, print_told
from tamis.cli.terminal import print_json, say, visible, warn
from tamis.errors import QueryError, RemoteError, StoreError

BAD_REQUEST = 400

rules = App(
    name="rules",
    help="Show, make, try, test and silence alert rules.",
    help_format="plaintext",
    version_flags=[],
)
rules.command(channels)


@rules.command(name="list")
def list_rules(*, json: Flag = False, where: Where = Where()) -> None:
    """Show every rule and how it stands.

    Parameters
    ----------
    json
        All of it as JSON.
    """
    with rules_of(where) as server:
        answer = server.get()
    if json:
        print_json(answer)
    else:
        print_list(answer["rules"])


@rules.command
def show(name: str, /, *, json: Flag = False, where: Where = Where()) -> None:
    """Show one rule.

    Parameters
    ----------
    name
        The rule's name.
    json
        All of it as JSON.
    """
    with rules_of(where) as server:
        answer = server.get(name)
    if json:
        print_json(answer)
    else:
        print_rule(answer)


@rules.command
def add(file: Path, /, *, where: Where = Where()) -> None:
    """Make or change the rules of a TOML file ([[rule]]); others stay as they are.

    Parameters
    ----------
    file
        The file.
    """
    from tamis.server.alerts.trial import read_rules

    found = read_rules(file)
    if not found:
        raise UsageError(f"{file}: there is no rule in it; write [[rule]]")
    with rules_of(where) as server:
        for rule in found:
            server.send("PUT", rule.name, body=msgspec.to_builtins(rule))
            say(f"{rule.name}: kept")


@rules.command
def remove(name: str, /, *, where: Where = Where()) -> None:
    """Forget a rule, and what it had still to tell; its history stays.

    Parameters
    ----------
    name
        The rule's name.
    """
    with rules_of(where) as server:
        server.send("DELETE", name)
    say(f"{name}: forgotten")


@rules.command(name="test")
def run_tests(file: Path, /, *, json: Flag = False) -> int:
    """Run the tests of a TOML file ([[test]]): records with times, and what is to be told of them. Needs no server.

    Rules are looked at once a second, as a server does (in a test of over 10,000 seconds 10,000 times); a time
    that is expected may be off by that, or by a 32nd of the window where that is more.

    Exits with 1 when one fails.

    Parameters
    ----------
    file
        The file, with its rules ([[rule]]) or the name of theirs (rules = "…").
    json
        Results as JSON.
    """
    from tamis.server.alerts.trial import read_suite, run_suite

    results = list(run_suite(read_suite(file)))
    failed = [one for one in results if one.problem]
    if json:
        rows = [
            {
                "name": one.name,
                "ok": not one.problem,
                "problem": one.problem,
                "told": [t.print() for t in one.told],
            }
            for one in results
        ]
        print_json({"passed": len(results) - len(failed), "failed": len(failed), "tests": rows})
    else:
        for one in results:
            print(visible(f"{'FAILED' if one.problem else 'ok    '}  {one.name}"))
            if one.problem:
                print(visible(f"        {one.problem}"))
        print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return int(Exit.FOUND if failed else Exit.DONE)


@rules.command(name="dry-run")
def dry_run(
    what: str,
    /,
    *,
    days: float = 7.0,
    start: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    end: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    json: Flag = False,
    where: Where = Where(),
) -> int:
    """Show what a rule would have told in the past.

    Exits with 1 when a rule of the file could not be tried; the others are shown.

    Parameters
    ----------
    what
        The name of a rule that is kept, or a TOML file whose rules are tried.
    days
        So many days back.
    start
        Or from when on: -3h, RFC 3339, or epoch.
    end
        Until when; now by default.
    json
        All of it as JSON.
    """
    span: dict[str, Any] = {"end": end} if end is not None else {}
    span |= {"days": days} if start is None else {"start": start}
    with rules_of(where) as server:
        if not what.endswith(".toml"):
            answers = [server.send("POST", what, "dry-run", body=span)]
        else:
            from tamis.server.alerts.trial import read_rules

            bodies = [{**msgspec.to_builtins(rule), **span} for rule in read_rules(Path(what))]
            answers = [_tried(server, body) for body in bodies]
    if json:
        print_json({"runs": answers})
    else:
        for answer in answers:
            _print_run(answer)
    return int(Exit.FOUND if any("error" in answer for answer in answers) else Exit.DONE)


def _tried(server: RulesClient, body: dict[str, Any]) -> Any:
    """The run of one rule of several, or why there is none: the others are answered all the same."""
    try:
        return server.send("POST", "dry-run", body=body)
    except (RemoteError, QueryError, StoreError) as error:
        if isinstance(error, RemoteError) and error.status != BAD_REQUEST:
            raise  # it is not about this rule
        return {"rule": body["name"], "error": str(error)}


def _print_run(answer: dict[str, Any]) -> None:
    if "error" in answer:
        say(f"tamis: {answer['rule']}: not tried: {answer['error']}")
        return
    warn(answer["warnings"])
    print_told(answer)


@rules.command
def history(
    name: str | None = None, /, *, limit: Annotated[int, Parameter(alias="-n")] = 50, json: Flag = False,
    where: Where = Where(),
) -> None:  # fmt: skip
    """Show what a rule, or all of them, told, and every try to tell it; the newest first.

    Parameters
    ----------
    name
        The rule's name.
    limit
        At most so many entries.
    json
        All of it as JSON.
    """
    with rules_of(where) as server:
        answer = server.get(*([name] if name else []), "history", limit=limit)
    if json:
        print_json(answer)
    else:
        print_history(answer["history"])


@rules.command
def silence(
    rule: str = "*",
    /,
    *,
    label: tuple[str, ...] = (),
    duration: Annotated[str | None, Parameter(name="--for")] = None,
    until: str | None = None,
    reason: str = "",
    json: Flag = False,
    where: Where = Where(),
) -> None:
    """Tell nothing for a while.

    Parameters
    ----------
    rule
        Of which rules: a name, in which * stands for any text.
    label
        Only groups with this label: field=value. May be given again.
    duration
        For how long: 30m, 2h.
    until
        Or until when: RFC 3339.
    reason
        Why.
    json
        The silence as JSON.
    """
    given = {"for": duration, "until": until, "rule": rule, "labels": _labels(label), "reason": reason}
    with rules_of(where) as server:
        body = {key: value for key, value in given.items() if value is not None}
        answer = server.send("POST", "silences", body=body)
    if json:
        print_json(answer)
    else:
        print_silences([answer])


@rules.command
def silences(*, json: Flag = False, where: Where = Where()) -> None:
    """Show the silences that are not over.

    Parameters
    ----------
    json
        All of them as JSON.
    """
    with rules_of(where) as server:
        answer = server.get("silences")
    if json:
        print_json(answer)
    else:
        print_silences(answer["silences"])


@rules.command
def unsilence(id: str, /, *, where: Where = Where()) -> None:
    """End a silence before its time.

    Parameters
    ----------
    id
        Its id, as `tamis rules silences` shows it.
    """
    with rules_of(where) as server:
        server.send("DELETE", "silences", id)
    say(f"{id}: ended")


def _labels(given: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for text in given:
        field, sign, value = text.partition("=")
        if not sign or not field:
            raise UsageError(f"--label {text}: write field=value")
        labels[field] = value
    return labels
