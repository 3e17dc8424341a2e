"""What every provider promises, and what each refuses."""

import base64
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tamis.disk.real import RealDisk
from tamis.errors import KeyUnavailableError
from tamis.keys import (
    PROVIDERS,
    CommandProvider,
    EnvironmentProvider,
    FileProvider,
    KeyProvider,
    provider_from,
)
from tamis.settings import KeysSettings

SECRET = bytes(range(32))
TEXT = base64.b64encode(SECRET).decode()


@dataclass(frozen=True)
class Member:
    """A provider, and the way to give it another text to read."""

    provider: KeyProvider
    give: Callable[[str], None]


def member(name: str, folder: Path) -> Member:
    path, environ = folder / "key", {"KEY": ""}

    def write(text: str) -> None:
        path.touch(mode=0o600)
        path.write_text(text)

    match name:
        case "file":
            return Member(FileProvider(RealDisk(), path), write)
        case "environment":
            return Member(EnvironmentProvider("KEY", environ), lambda text: environ.update(KEY=text))
        case "command":
            command = [sys.executable, "-S", "-c", f"print(open({str(path)!r}).read())"]
            return Member(CommandProvider(command), write)
    raise AssertionError(f"{name} has no test: add one here")


@pytest.fixture(params=list(PROVIDERS))
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Member:
    made = member(request.param, tmp_path)
    made.give(TEXT)
    return made


def test_it_gives_the_key_every_time(one: Member) -> None:
    """The same 32 bytes at every call, and `create` makes no other where there is one."""
    assert [one.provider.load(), one.provider.load(), one.provider.create()] == [SECRET] * 3


@pytest.mark.parametrize(
    "text",
    [TEXT, TEXT.rstrip("="), f"  {TEXT}\n", base64.urlsafe_b64encode(bytes([255] * 32)).decode()],
    ids=["plain", "unpadded", "spaced", "url-safe"],
)
def test_it_reads_base64_in_every_form(one: Member, text: str) -> None:
    """With and without padding, in either alphabet, with white space around."""
    one.give(text)
    assert len(one.provider.load()) == 32


@pytest.mark.parametrize(
    "text", ["", "short", TEXT[:-4], TEXT + TEXT, "!" * 43, "ä" * 43, TEXT[:20] + "!" + TEXT[20:]]
)
def test_it_refuses_what_is_no_key(one: Member, text: str) -> None:
    """The error says where to look and what to do, and holds nothing of what stands there."""
    one.give(text)
    with pytest.raises(KeyUnavailableError) as caught:
        one.provider.load()
    assert not text or text not in str(caught.value)
    assert "openssl rand -base64 32" in str(caught.value)


def test_its_name_holds_no_secret(one: Member) -> None:
    """Neither name nor repr shows the key."""
    assert TEXT not in one.provider.name + repr(one.provider)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The sentence says the mode and the command that mends it."""
    path = tmp_path / "key"
    path.write_text(TEXT)
    path.chmod(mode)
    with pytest.raises(KeyUnavailableError, match=f"has mode {mode:04o}.*chmod 600"):
        FileProvider(RealDisk(), path).load()


def test_a_file_is_made_private_and_whole(tmp_path: Path) -> None:
    """Where there is none a random key is made, mode 0600, in a folder made on the way."""
    path = tmp_path / "deep" / "key"
    first = FileProvider(RealDisk(), path).create()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert FileProvider(RealDisk(), path).load() == first
    assert FileProvider(RealDisk(), tmp_path / "other").create() != first


def test_processes_that_make_a_file_at_once_get_the_same_key(tmp_path: Path) -> None:
    """However many begin together, one key is made."""
    code = (
        "import sys; from pathlib import Path; from tamis.disk.real import RealDisk; "
        "from tamis.keys import FileProvider; sys.stdin.readline(); "
        "print(FileProvider(RealDisk(), Path(sys.argv[1])).create().hex())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "key")]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    keys = {child.communicate(timeout=60)[0] for child in children}
    assert len(keys) == 1
    assert "" not in keys


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    """A wrong path is named."""
    with pytest.raises(KeyUnavailableError, match="gone"):
        FileProvider(RealDisk(), tmp_path / "gone").load()
    with pytest.raises(KeyUnavailableError, match="is no file"):
        FileProvider(RealDisk(), tmp_path).load()


def test_a_command_that_fails_hangs_or_is_not_there_is_told() -> None:
    """Exit code, time limit and missing program each have a sentence without the arguments."""
    python = [sys.executable, "-S", "-c"]
    for command, words in (
        ([*python, "import sys; print('s3cret'); sys.exit(3)", "s3cret"], "ended with 3"),
        (["/nowhere/vault", "s3cret"], "cannot be run"),
    ):
        with pytest.raises(KeyUnavailableError, match=words) as caught:
            CommandProvider(command).load()
        assert "s3cret" not in str(caught.value)
    with pytest.raises(KeyUnavailableError, match=r"did not end within 0\.2 s"):
        CommandProvider(["sleep", "60"], timeout_s=0.2).load()
    with pytest.raises(KeyUnavailableError, match=r"keys\.command"):
        CommandProvider([])


def test_a_command_is_read_by_no_shell(tmp_path: Path) -> None:
    """What a shell would run is an argument like any other."""
    CommandProvider(["true", f"; touch {tmp_path / 'made'}"])
    with pytest.raises(KeyUnavailableError):
        CommandProvider(["true", f"; touch {tmp_path / 'made'}"]).load()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"), [("file", "file "), ("environment", "MINE"), ("command", "vault")]
)
def test_the_settings_choose_the_provider(tmp_path: Path, name: str, words: str) -> None:
    """Each name of `keys.provider` gives its provider with its own settings."""
    settings = KeysSettings(provider=name, file=tmp_path / "k", variable="MINE", command=("vault", "read"))
    assert words in provider_from(settings, RealDisk()).name
