"""The docs are true where a machine can tell: links lead somewhere, tables are documented."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from types import ModuleType

import pytest

from tamis.cli.app import COMMANDS
from tamis.settings import TABLE
from tamis.telemetry.metrics import METRICS
from tests.tidy.sources import ROOT, tracked
from tools import (
    make_commands_reference,
    make_http_reference,
    make_manifest_reference,
    make_metrics_reference,
    make_settings_reference,
)

REFERENCES = (
    make_settings_reference,
    make_metrics_reference,
    make_commands_reference,
    make_http_reference,
    make_manifest_reference,
)

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")


def slug(heading: str) -> str:
    """The anchor of a heading."""
    words = re.sub(r"[^\w\s-]", "", re.sub(r"[`*]", "", heading).lower())
    return re.sub(r"[\s]+", "-", words.strip())


def anchors(text: str) -> set[str]:
    return {slug(line.lstrip("#")) for line in FENCE.sub("", text).splitlines() if line.startswith("#")}


def links(text: str) -> Iterator[str]:
    """Where relative links of a Markdown text lead."""
    plain = CODE.sub("", FENCE.sub("", text))
    for target in (*LINK.findall(plain), *PICTURE.findall(plain)):
        if not re.match(r"[a-z][a-z0-9+.-]*:", target):
            yield target


def broken_links(page: Path) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    for target in links(text):
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        if not file.exists():
            yield f"{page.name}: {target} leads nowhere"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
            yield f"{page.name}: {target} has no such heading"


def undocumented(names: Iterable[str], text: str) -> list[str]:
    """Names that stand nowhere in a text as code."""
    return [name for name in names if f"`{name}`" not in text and f"`{name} " not in text]


def pages() -> list[Path]:
    return [ROOT / path for path in tracked() if path.suffix == ".md"]


def test_links_lead_somewhere() -> None:
    """Each relative link of each page names a file and a heading that are there."""
    assert [wrong for page in pages() for wrong in broken_links(page)] == []


def test_the_link_rule_can_fail(tmp_path: Path) -> None:
    """A missing file and a missing heading are seen; code is not taken for links."""
    page = tmp_path / "a.md"
    page.write_text(
        "# One two\n[x](b.md) [y](#three) [z](#one-two) `[c](d.md)`\n```\n[e](f.md)\n```\n", "utf-8"
    )
    assert len(list(broken_links(page))) == 2


def lost_paths(text: str) -> list[str]:
    """Paths of the project, named as code, that are not there."""
    named = re.findall(r"`((?:src|tests|docs|tools|benchmarks|requirements)/[\w./-]*)`", text)
    return [path for path in named if not (ROOT / path).exists()]


def test_paths_that_pages_name_are_there() -> None:
    """The code map leads to code."""
    lost = {page.name: lost_paths(page.read_text(encoding="utf-8")) for page in pages()}
    assert {name: paths for name, paths in lost.items() if paths} == {}


def test_the_path_rule_can_fail() -> None:
    """A folder that moved away is seen."""
    assert lost_paths("`src/tamis/query/` and `src/tamis/quarry/`") == ["src/tamis/quarry/"]


@pytest.mark.parametrize("tool", REFERENCES, ids=lambda tool: tool.PLACE.stem)
def test_the_reference_is_what_the_tables_say(tool: ModuleType) -> None:
    """Settings, commands, metrics and routes stand in docs/reference as they are."""
    assert tool.PLACE.read_text(encoding="utf-8") == tool.reference(), "run: make docs"


def test_every_setting_is_documented() -> None:
    """Each key and each name of the environment stands in the reference."""
    text = make_settings_reference.PLACE.read_text(encoding="utf-8")
    assert undocumented(TABLE, text) == []
    assert undocumented((row.environment for row in TABLE.values()), text) == []


def test_every_route_command_and_metric_is_documented() -> None:
    """What the server answers, what the command line knows and what is counted stand in the reference."""
    pages = {tool.PLACE.stem: tool.PLACE.read_text(encoding="utf-8") for tool in REFERENCES}
    paths = {str(getattr(route, "path_format", "")) for route in make_http_reference.api().routes}
    assert undocumented(sorted(paths), pages["http"]) == []
    assert undocumented((f"tamis {command}" for command in COMMANDS), pages["commands"]) == []
    assert undocumented((metric.name for metric in METRICS), pages["metrics"]) == []


def test_the_rule_on_names_can_fail() -> None:
    """A name that is only a part of another is not documented by it."""
    assert undocumented(["server.port"], "| `server.portal` | server.port |") == ["server.port"]
    assert undocumented(["tamis serve"], "`tamis serve [--data DIR]`") == []


def test_every_page_is_in_the_navigation() -> None:
    """A page that nobody can reach is lost."""
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    under = [
        path.relative_to("docs") for path in tracked() if path.parts[0] == "docs" and path.suffix == ".md"
    ]
    decisions = PurePosixPath("decisions")
    assert [str(path) for path in under if path.parent != decisions and str(path) not in navigation] == []
    index = (ROOT / "docs/decisions/index.md").read_text(encoding="utf-8")
    assert [
        path.name for path in under if path.parent == decisions and path.name not in index + "index.md"
    ] == []


def unreleased(changelog: str, version: str) -> bool:
    """Whether the changelog speaks of what is here: the next release, or this one."""
    headings = re.findall(r"^## \[?([^\]\s]+)", changelog, re.MULTILINE)
    return bool(headings) and headings[0] in ("Unreleased", version)


def test_the_changelog_speaks_of_what_is_here() -> None:
    """Its first section is the next release or the current version."""
    scope: dict[str, str] = {}
    exec((ROOT / "src/tamis/version.py").read_text(encoding="utf-8"), scope)
    assert unreleased((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), scope["__version__"])


def test_the_changelog_rule_can_fail() -> None:
    """A changelog that stops at an older release is seen."""
    assert not unreleased("# Changelog\n\n## 0.1.0\n", "0.2.0")
    assert unreleased("# Changelog\n\n## Unreleased\n", "0.2.0")


def test_the_licence_is_the_one_that_is_named() -> None:
    """LICENSE holds the whole text of what pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert project["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
