"""What every source promises."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.disk.real import RealDisk
from tamis.errors import AbsentError, ConfigError, SourceError
from tamis.integrity.sources import Source, open_source
from tests.support.faulty_server import Fault, Reply, Request, cut, drop, refuse_with
from tests.support.mirror_places import BIG, CONTENT, EMPTY, FileServer, fill

KINDS = ("folder", "file URL", "archive", "web server", "web server without ranges", "another Tamis")


def pack(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w") as made:
        for path in CONTENT:
            made.add(folder / path, path)
    return archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files."""
    made = tmp_path / "files"
    fill(made)
    return made


@pytest.fixture(params=KINDS)
def source(request: pytest.FixtureRequest, folder: Path) -> Iterator[Source]:
    """One of each kind."""
    with FileServer(folder) as ranged, FileServer(folder, ranges=False) as plain:
        prefix = "/api/v1/assets/files"
        with FileServer(folder, token="secret", prefix=prefix) as tamis:
            places: dict[str, str | Path] = {
                "folder": folder,
                "file URL": folder.as_uri(),
                "archive": pack(folder, folder.parent / "files.tar"),
                "web server": ranged.url,
                "web server without ranges": plain.url + "/",
                "another Tamis": f"tamis+http://secret@127.0.0.1:{tamis.port}",
            }
            made = open_source(places[request.param], RealDisk(), timeout_s=30)
            yield made
            made.close()
            made.close()


def test_bytes_are_those_that_were_asked_for(source: Source) -> None:
    """Whole files, ranges in order and ranges here and there, all of their length."""
    whole = CONTENT[BIG]
    assert source.size(BIG) == len(whole)
    assert source.read(BIG, start=0, length=len(whole)) == whole
    joined = b"".join(source.read(BIG, start=at, length=300_000) for at in range(0, len(whole), 300_000))
    assert joined == whole
    for start, length in ((1_000_000, 10), (5, 70_000), (len(whole) - 1, 1), (0, 1)):
        assert source.read(BIG, start=start, length=length) == whole[start : start + length]


def test_an_empty_file_is_empty(source: Source) -> None:
    """No byte of it is asked for, and none comes."""
    assert source.read(EMPTY, start=0, length=0) == b""


def test_what_is_not_there_is_said_to_be_absent(source: Source) -> None:
    """A file that it has not, and bytes beyond the end: nothing to try again."""
    for path, start in (("models/none.bin", 0), (BIG, len(CONTENT[BIG])), (BIG, len(CONTENT[BIG]) - 5)):
        with pytest.raises(AbsentError) as told:
            source.read(path, start=start, length=10)
        assert path in str(told.value)
        assert source.name in str(told.value)
    assert source.read(BIG, start=0, length=4) == CONTENT[BIG][:4]


def test_no_source_shows_its_token(source: Source) -> None:
    """What stands in errors and on the status board is no secret."""
    assert "secret" not in source.name


@pytest.mark.parametrize("fault", [drop(), cut(300), refuse_with(500), refuse_with(503)], ids=str)
def test_a_web_server_that_fails_may_be_asked_again(folder: Path, fault: Fault) -> None:
    """A connection that breaks, before or amid the bytes, and a server's error are no absence."""
    with FileServer(folder) as server:
        source = open_source(server.url, RealDisk(), timeout_s=30)
        server.script(fault)
        with pytest.raises(SourceError) as told:
            source.read(BIG, start=0, length=1_000)
        assert not isinstance(told.value, AbsentError)
        assert source.read(BIG, start=0, length=1_000) == CONTENT[BIG][:1_000]
        server.refuse()
        with pytest.raises(SourceError) as told:
            source.read(BIG, start=0, length=1_000)
        assert not isinstance(told.value, AbsentError)
        source.close()


class _Redirecting(FileServer):
    """Sends everyone elsewhere."""

    place = ""

    def answer(self, request: Request) -> Reply:
        return Reply(302, b"", {"Location": self.place})


def test_redirections_are_followed_and_take_no_token_along(folder: Path) -> None:
    """The other host is not told who asks; going round in circles ends."""
    with FileServer(folder) as server, _Redirecting(folder) as first:
        first.place = f"{server.url}/{BIG}"
        source = open_source(f"http://secret@127.0.0.1:{first.port}", RealDisk(), timeout_s=30)
        assert source.read("whatever", start=7, length=9) == CONTENT[BIG][7:16]
        assert first.requests[0].headers["authorization"] == "Bearer secret"
        assert "authorization" not in server.requests[0].headers
        first.place = f"{first.url}/again"
        with pytest.raises(SourceError, match="redirections"):
            source.read("whatever", start=0, length=9)
        source.close()


def test_a_name_and_a_password_are_sent_as_such(folder: Path) -> None:
    """A web server with basic authentication gets them, unquoted."""
    with FileServer(folder) as server:
        source = open_source(f"http://ada:p%40ss@127.0.0.1:{server.port}", RealDisk(), timeout_s=30)
        source.read(BIG, start=0, length=1)
        assert server.requests[0].headers["authorization"] == "Basic YWRhOnBAc3M="
        source.close()


def test_what_names_no_source_is_refused() -> None:
    """With the kinds there are."""
    with pytest.raises(ConfigError, match="tamis"):
        open_source("ftp://example.org/files", RealDisk())


def test_links_in_a_folder_and_odd_names_in_an_archive_lead_nowhere(tmp_path: Path) -> None:
    """Neither serves a file from outside."""
    outside = tmp_path / "secret"
    outside.write_bytes(b"secret")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    with tarfile.open(tmp_path / "odd.tar", "w") as made:
        made.add(folder / "link", "link")
        made.add(outside, "../secret")
    for place in (folder, tmp_path / "odd.tar"):
        source = open_source(place, RealDisk())
        for path in ("link", "../secret"):
            with pytest.raises(Exception, match=r"link|secret"):
                source.read(path, start=0, length=6)
