"""The locks hold everything that pyproject.toml asks for, each with its hashes."""

import re
import tomllib
from collections.abc import Iterable, Iterator

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.tidy.sources import ROOT

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*)", re.MULTILINE)

LOCKS = ROOT / "requirements"
CLIENTS = sorted(path.stem for path in (LOCKS / "clients").glob("*.in"))

Pins = dict[str, Version]


def pins(text: str) -> Pins:
    return {canonicalize_name(name): Version(version) for name, version, _ in PINNED.findall(text)}


def unhashed(text: str) -> list[str]:
    """Pins that are not followed by a hash."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    return [block.split()[0] for block in blocks if PINNED.match(block) and "--hash=sha256:" not in block]


def missing(wanted: Iterable[str], held: Pins) -> Iterator[str]:
    for text in wanted:
        requirement = Requirement(text)
        version = held.get(canonicalize_name(requirement.name))
        if requirement.name != "tamis" and (version is None or version not in requirement.specifier):
            yield f"{text} is not in the lock: make lock"


def wanted(*groups: str) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        found += extra
    for group in groups:
        found += project["dependency-groups"][group]
    return found


def lock(name: str) -> str:
    return (LOCKS / name).read_text(encoding="utf-8")


def test_locks_hold_what_the_project_asks_for() -> None:
    """A dependency that is added without `make lock` is found here, not on a fresh machine."""
    assert list(missing(wanted("dev", "docs"), pins(lock("dev.lock")))) == []
    assert list(missing(wanted("bench")[1:], pins(lock("bench.lock")))) == []
    for name in CLIENTS:
        asked = (LOCKS / "clients" / f"{name}.in").read_text(encoding="utf-8").splitlines()
        assert list(missing(asked, pins(lock(f"clients/{name}.lock")))) == []
    assert pins(lock("uv.lock"))["uv"] == pins(lock("dev.lock"))["uv"]


def test_every_pin_has_hashes() -> None:
    """What is installed is what was locked, byte for byte."""
    files = ["dev.lock", "bench.lock", "uv.lock", *(f"clients/{name}.lock" for name in CLIENTS)]
    assert [name for file in files for name in unhashed(lock(file))] == []


def test_the_rule_can_fail() -> None:
    """A missing pin, a pin too old and a pin without hash are seen."""
    assert list(missing(["a>=1"], {}))
    assert list(missing(["a>=2"], {"a": Version("1")}))
    assert not list(missing(["A_b>=1"], {"a-b": Version("1.5")}))
    assert unhashed("a==1 \\\n    --hash=sha256:00\nb==2\n    # via a\n") == ["b==2"]
