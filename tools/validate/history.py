"""Which commits may have brought what is worse: git is asked, nothing is changed."""

import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tools.validate.model import Report, Worse

SHOWN = 10
DIRTY = "-dirty"


def commit_of(root: Path) -> str:
    """The commit that is checked out; with `-dirty` when files differ from it."""
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    return head + (DIRTY if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def blame(root: Path, found: Iterable[Worse], accepted: Report | None) -> list[Worse]:
    """Each with the commits since the accepted report that touch its paths, the newest first."""
    if accepted is None:
        return list(found)
    since = accepted.commit.removesuffix(DIRTY)
    return [replace(one, commits=_commits(root, since, one.paths)) for one in found]


def _commits(root: Path, since: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    listed = _git(root, "log", "--format=%h %s", f"{since}..HEAD", "--", *paths)
    return tuple(listed.splitlines())


def way_back(one: Worse, accepted: Report | None) -> str:
    """What to do about it, in a sentence."""
    if one.kind == "nothing accepted":
        return "look at the report, then keep it as the first: make validate ACCEPT=1, with RESULTS for what is made"
    if accepted is None:
        return "nothing was accepted yet to go back to"
    good = accepted.commit.removesuffix(DIRTY)
    if not one.commits:
        paths = ", ".join(one.paths)
        return f"no commit since {good} touches {paths}: look at what is not committed, or at the machine"
    first = one.commits[-1].partition(" ")[0]
    shown = "; ".join(one.commits[:SHOWN])
    more = f"; and {len(one.commits) - SHOWN} more" if len(one.commits) > SHOWN else ""
    return f"good at {good}; go back before {first}, or look through: {shown}{more}"


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise RuntimeError(f"git {' '.join(words[:3])}: {done.stderr.strip()}")
    return done.stdout.strip()
