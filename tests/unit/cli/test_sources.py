"""Which files are meant, and which are text."""

import bz2
import gzip
import lzma
import os
from pathlib import Path

import pytest

from tamis.cli.failure import UsageError
from tamis.cli.intake.sample import looks_binary
from tamis.cli.intake.sources import find_sources, service_of, why_not


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/var/log/dpkg.log", "dpkg"),
        ("/var/log/dpkg.log.1", "dpkg"),
        ("/var/log/apt/history.log.2.gz", "history"),
        ("app-2026-11-21.jsonl.zst", "app"),
        ("app.log-20261121", "app"),
        ("syslog", "syslog"),
        ("postgresql-15-main.log", "postgresql-15-main"),
        ("/srv/shop/2026-11-21.log", "shop"),
    ],
)
def test_a_file_names_its_service(path: str, service: str) -> None:
    """Endings, dates and numbers of rotation are left off; a file that is only a date is called as its folder."""
    assert service_of(Path(path)) == service


def test_names_folders_and_globs_are_found_once(tmp_path: Path) -> None:
    """Each file once, in order, hidden ones below folders left out; links do not double."""
    (tmp_path / "a" / ".git").mkdir(parents=True)
    for name in ("a/one.log", "a/two.log", "a/.hidden", "a/.git/config", "b.log"):
        (tmp_path / name).write_text("x")
    (tmp_path / "link.log").symlink_to(tmp_path / "b.log")
    found = find_sources([str(tmp_path / "b.log"), str(tmp_path / "*.log"), str(tmp_path / "a")])
    assert [(one.path.name, one.named) for one in found] == [
        ("b.log", True),
        ("one.log", False),
        ("two.log", False),
    ]


def test_an_empty_name_is_wrong_use() -> None:
    """An unset variable does not mean all that is in the current folder."""
    with pytest.raises(UsageError, match="empty"):
        list(find_sources([""]))


def test_the_files_of_a_data_folder_are_passed_over(tmp_path: Path) -> None:
    """A folder with a server's data in it is taken in without the token that the server keeps there."""
    (tmp_path / "data" / "segments").mkdir(parents=True)
    for name in ("data/local.json", "data/manifest.json", "data/own.log", "local.json"):
        (tmp_path / name).write_text("{}\n")
    found = {str(one.path.relative_to(tmp_path)): why_not(one.path) for one in find_sources([str(tmp_path)])}
    assert found == {
        "data/local.json": "a data folder's own",
        "data/manifest.json": "a data folder's own",
        "data/own.log": None,
        "local.json": None,
    }


@pytest.mark.parametrize("name", ["nowhere", "no*where", "no/where.log"])
def test_what_stands_for_nothing_is_wrong_use(tmp_path: Path, name: str) -> None:
    """With the name in the sentence; when following, it is waited for instead."""
    with pytest.raises(UsageError, match="no"):
        list(find_sources([str(tmp_path / name)]))
    assert list(find_sources([str(tmp_path / name)], strict=False)) == []


@pytest.mark.parametrize(
    ("sample", "binary"),
    [
        (b"", False),
        (b"plain text\nwith lines\n", False),
        ("naïve café — “quoted” 日本語\n".encode(), False),
        ("café\n".encode("latin-1") * 20, False),
        (b"before the crash\n" + bytes(100) + b"after the crash, much later\n" * 20, False),
        (b"\x1b[31mcoloured\x1b[0m\n" * 10, False),
        (bytes(range(256)) * 8, True),
        (b"\x7fELF" + bytes(60), True),
        (os.urandom(4096), True),
    ],
)
def test_text_is_told_from_bytes(sample: bytes, *, binary: bool) -> None:
    """Other encodings, colours and the NULs that a crash leaves are text; programs and noise are not."""
    assert looks_binary(sample) is binary


def test_reasons_to_leave_a_file(tmp_path: Path) -> None:
    """Folders, pipes, damage and binaries each get their word; compressed text is read."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    text = b"some text\n" * 100
    packed = {"a.gz": gzip.compress(text), "a.bz2": bz2.compress(text), "a.xz": lzma.compress(text)}
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
        assert why_not(tmp_path / name) is None
    (tmp_path / "noise.gz").write_bytes(gzip.compress(bytes(range(256)) * 16))
    (tmp_path / "damaged.gz").write_bytes(packed["a.gz"][:12] + b"!!!!" + packed["a.gz"][16:])
    assert why_not(tmp_path / "folder") == "no regular file"
    assert why_not(tmp_path / "pipe") == "no regular file"
    assert why_not(tmp_path / "gone") == "not there"
    assert why_not(tmp_path / "noise.gz") == "binary"
    assert why_not(tmp_path / "noise.gz", any_bytes=True) is None
    assert "gzip" in (why_not(tmp_path / "damaged.gz") or "")
