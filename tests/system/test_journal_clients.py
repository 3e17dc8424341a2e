"""systemd-journal-upload into a real server: entries of a journal that systemd-journal-remote wrote."""

import subprocess
import threading
from pathlib import Path

from tests.support.commands import TOKEN, running_server, wait_for
from tests.support.listening import WAIT_S, count, exported, killed_server, ports
from tests.support.parts import program

BOOT = "0123456789abcdef0123456789abcdef"
T0_US = 1_763_719_200_000_000
OPEN = {"TAMIS_JOURNAL_PORT": "0"}


def entry(number: int) -> bytes:
    """An entry in the export format; some have values with newlines, or bytes that are no text."""
    head = (
        f"__CURSOR=s=00;i={number:x}\n__REALTIME_TIMESTAMP={T0_US + number}\n__MONOTONIC_TIMESTAMP={1_000 + number}\n"
        f"_BOOT_ID={BOOT}\nPRIORITY={number % 8}\n_HOSTNAME=machine\nSYSLOG_IDENTIFIER=unit\n_PID={number}\n"
    )
    message = f"entry {number}".encode() + b"\nmore" * (number % 10 == 0) + b"\n\xff\xfe" * (number % 10 == 1)
    if b"\n" not in message:
        return head.encode() + b"MESSAGE=" + message + b"\n\n"
    return head.encode() + b"MESSAGE\n" + len(message).to_bytes(8, "little") + message + b"\n\n"


def write_journal(folder: Path, first: int, count: int) -> Path:
    """A journal with these entries."""
    folder.mkdir(exist_ok=True)
    export, journal = folder / f"export-{first}", folder / f"part{first}.journal"
    export.write_bytes(b"".join(map(entry, range(first, first + count))))
    command = [str(program("journal-remote")), f"--output={journal}", str(export)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    export.unlink()
    return journal


def upload(url: str, folder: Path, state: Path) -> "subprocess.CompletedProcess[bytes]":
    """Send what of the journals was not sent yet, as the service does."""
    command = [str(program("journal-upload")), f"--url={url}", f"--directory={folder}", "--follow=no"]
    return subprocess.run(
        [*command, f"--save-state={state}"], check=False, capture_output=True, timeout=WAIT_S
    )


def test_a_journal_is_sent_and_resumed(tmp_path: Path) -> None:
    """Entries come with their time, level, host and unit, texts of several lines and bytes too; once more were
    written, only these are stored, and nothing twice when the sender forgot where it was."""
    journals, state = tmp_path / "journals", tmp_path / "state"
    write_journal(journals, 0, 50)
    with running_server(tmp_path, **OPEN) as server:
        url = f"http://127.0.0.1:{ports(server)['journal']}"
        first = upload(url, journals, state)
        assert first.returncode == 0, first.stderr
        found = exported(server)
        assert [one["message"].split("\n")[0] for one in found] == [f"entry {n}" for n in range(50)]
        assert found[3]["timestamp"] == "2025-11-21T10:00:00.000003Z"
        assert (found[3]["level"], found[3]["host"], found[3]["service"]) == ("ERROR", "machine", "unit")
        assert found[10]["message"] == "entry 10\nmore"
        assert "decode_note" in found[11]["attributes"]

        write_journal(journals, 50, 30)
        assert upload(url, journals, state).returncode == 0
        assert count(server) == 80
        state.unlink()
        assert upload(url, journals, state).returncode == 0
        assert count(server) == 80


def test_the_servers_own_port_takes_journals_with_a_token(tmp_path: Path) -> None:
    """Without a listener the token goes into the URL, as a password."""
    write_journal(tmp_path / "journals", 0, 5)
    with running_server(tmp_path) as server:
        port = server.url.rpartition(":")[2]
        done = upload(f"http://any:{TOKEN}@127.0.0.1:{port}", tmp_path / "journals", tmp_path / "state")
        assert done.returncode == 0, done.stderr
        assert count(server) == 5
        refused = upload(server.url, tmp_path / "journals", tmp_path / "other-state")
        assert refused.returncode != 0
        assert b"401" in refused.stderr


def test_each_entry_is_stored_once_though_the_server_is_killed(tmp_path: Path) -> None:
    """`kill -9` twice in mid-stream; systemd starts the sender again, and each entry is there once."""
    total = 8_000
    journals, state = tmp_path / "journals", tmp_path / "state"
    write_journal(journals, 0, total)
    with killed_server(tmp_path, **OPEN) as mortal:
        url = f"http://127.0.0.1:{mortal.ports['journal']}"
        attempts: list[int] = []

        def send() -> None:
            while not attempts or attempts[-1] != 0:
                attempts.append(upload(url, journals, state).returncode)

        sending = threading.Thread(target=send)
        sending.start()
        try:
            for share in (0.1, 0.4):
                assert wait_for(lambda share=share: count(mortal.server) > total * share, WAIT_S)  # type: ignore[misc]  # mypy: lambda
                mortal.kill_and_start()
        finally:
            sending.join(WAIT_S)
        assert not sending.is_alive()
        assert [one["message"].split("\n")[0] for one in exported(mortal.server)] == [
            f"entry {n}" for n in range(total)
        ]
