"""No registry host and no path of anyone's machine stands in the project."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.sources import ROOT, tracked

HOSTS = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry.npmjs" + ".org",
    "npmmirror" + ".com",
    "repo.maven" + ".apache.org",
    "repo1.maven" + ".org",
    "crates" + ".io",
    "proxy.golang" + ".org",
    "deb.debian" + ".org",
]
BINARY = {".parquet", ".png", ".gz", ".zst", ".woff2", ".ico", ".bin", ".journal"}


def local_paths() -> list[str]:
    """Where this checkout and its user's home stand, when that says anything."""
    return [str(path) for path in (ROOT, Path.home()) if len(path.parts) > 1]


def told(text: str, hosts: list[str], paths: list[str]) -> Iterator[str]:
    """The hosts and paths that a text gives away."""
    lowered = text.lower()
    yield from (host for host in hosts if host in lowered)
    for path in paths:
        if re.search(rf"(?<![\w.~-]){re.escape(path)}/", text):
            yield path


def test_no_host_and_no_local_path_is_told() -> None:
    """The project builds from whatever index its reader has, in whatever folder."""
    paths = local_paths()
    found = {}
    for path in tracked():
        if path.suffix in BINARY:
            continue
        text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
        if gives := list(told(text, HOSTS, paths)):
            found[str(path)] = gives
    assert found == {}


def test_the_rule_can_fail() -> None:
    """A host in any case and a path with something below it are seen; a longer name is not."""
    host = HOSTS[0]
    assert list(told(f"--index-url https://{host.upper()}/simple", HOSTS, []))
    assert list(told('open("/home/ada/tamis/x")', HOSTS, ["/home/ada"]))
    assert not list(told("see docs/home/ada/x, /home/adam/x", HOSTS, ["/home/ada"]))
