"""`make run`: a server on a fresh folder, this machine's own logs in it, and a first look at them.

An argument names another folder of logs than /var/log.
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PORT = 4817
BYTES_MAX = 256 << 20
"""Of the machine's logs; the newest files come first."""
STOP_S = 20
TAMIS = (sys.executable, "-m", "tamis.cli")
LISTENING = "Tamis listens on "


def find_logs(folder: Path) -> list[Path]:
    """The log files of this machine that may be read, the newest first, BYTES_MAX in all."""
    found = sorted(_readable(folder), key=lambda path: path.stat().st_mtime, reverse=True)
    chosen, total = [], 0
    for path in found:
        total += path.stat().st_size
        if total > BYTES_MAX:
            break
        chosen.append(path)
    return chosen


def _readable(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        try:
            with path.open("rb") as file:
                start = file.read(1024)
        except OSError:
            continue
        if start and (b"\0" not in start or path.suffix in (".gz", ".xz", ".zst")):
            yield path


def start_server(folder: Path, log: Path) -> tuple[subprocess.Popen[str], str]:
    """A server that answers, and the line it printed; the rest of what it says goes to `log`."""
    command = [*TAMIS, "serve", "--data", str(folder), "--port", str(_port())]
    with log.open("w", encoding="utf-8") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith(LISTENING):
            return server, line.strip()
        print(line, end="", flush=True)
    raise SystemExit(f"the server ended with {server.wait()}:\n{log.read_text(encoding='utf-8')}")


def _port() -> int:
    """The usual port, or 0 (the system chooses) when it is taken."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return 0 if trial.connect_ex(("127.0.0.1", PORT)) == 0 else PORT


def show(title: str, words: Sequence[str], folder: Path) -> None:
    """Run a command as its user would, under a line that says what it is."""
    shown = " ".join(f"'{word}'" if " " in word or "*" in word else word for word in words)
    print(f"\n{title}\n$ tamis {shown}", flush=True)
    subprocess.run([*TAMIS, *words, "--data", str(folder)], check=True)


def take_in(logs: Sequence[Path], folder: Path) -> None:
    """Ingest the files, and the system's journal where there is one."""
    print(f"\nTaking in {len(logs)} files of this machine:", flush=True)
    subprocess.run([*TAMIS, "ingest", *map(str, logs), "--data", str(folder)], check=False)
    if shutil.which("journalctl"):
        journal = subprocess.run(
            ["journalctl", "--output", "export", "--lines", "20000", "--no-pager"],
            capture_output=True,
            check=False,
            timeout=60,
        ).stdout
        if journal:
            print("and its journal:", flush=True)
            ingest = [*TAMIS, "ingest", "-", "--service", "journal", "--data", str(folder)]
            subprocess.run(ingest, input=journal, check=False)


def first_look(folder: Path) -> None:
    """What there is: how much, when, which sentences, one search."""
    show("How many, by level:", ["stats", "* | stats count() by level | sort count desc"], folder)
    show("When:", ["stats", "* | stats count() by bin(1d) | sort bin desc | limit 14"], folder)
    show("Which sentences:", ["patterns", "--limit", "10"], folder)
    show("One search:", ["search", "error OR warning OR failed", "--limit", "5"], folder)


def main() -> None:
    """Start, take in, show, stay."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tamis-run-") as name:
        folder, log = Path(name, "data"), Path(name, "server.log")
        server, listening = start_server(folder, log)
        try:
            print(listening, flush=True)
            take_in([*find_logs(Path(sys.argv[1] if len(sys.argv) > 1 else "/var/log")), log], folder)
            first_look(folder)
            print(f"\n{listening}\nCtrl-C stops it and removes its folder.", flush=True)
            server.wait()
        except KeyboardInterrupt:
            print("\nStopping.", flush=True)
        finally:
            server.terminate()
            server.wait(STOP_S)


if __name__ == "__main__":
    main()
