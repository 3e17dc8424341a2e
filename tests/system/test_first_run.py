"""`make run` as a person sees it."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAST = "Ctrl-C stops it"


def test_the_first_run_shows_the_logs_and_ends_with_an_interrupt(tmp_path: Path) -> None:
    """Logs are taken in, counted, put into patterns and searched; the link is there; Ctrl-C ends it cleanly."""
    lines = "".join(f"2026-11-21T10:00:{n:02}Z ERROR order {n} failed\n" for n in range(60))
    (tmp_path / "shop.log").write_text(lines, encoding="utf-8")
    command = [sys.executable, "tools/run.py", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        give_up = threading.Timer(90, run.kill)
        give_up.start()
        assert run.stdout is not None
        seen = []
        for line in run.stdout:
            seen.append(line)
            if line.startswith(LAST):
                run.send_signal(signal.SIGINT)
        give_up.cancel()
    assert run.returncode == 0
    shown = "".join(seen)
    assert "stored 60" in shown
    assert "order <*> failed" in shown
    assert "order 59 failed" in shown
    assert shown.count("/?token=") == 2
