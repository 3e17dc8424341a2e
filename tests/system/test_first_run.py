"""`make own-logs` as a person sees it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading

LAST = "Ctrl-C stops it"
BYTES_MAX = "500000"


def test_the_first_run_shows_this_machines_logs_and_ends_with_an_interrupt() -> None:
    """Logs are taken in, counted, put into patterns and searched; the link is there, with the port that the
    environment says; Ctrl-C ends it cleanly."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    command = [sys.executable, "-m", "tamis.cli.first_run", "--bytes-max", BYTES_MAX]
    environment = {**os.environ, "TAMIS_SERVER_PORT": str(port)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        give_up = threading.Timer(90, run.kill)
        give_up.start()
        assert run.stdout is not None
        seen = []
        for line in run.stdout:
            seen.append(line)
            if line.startswith(LAST):
                run.send_signal(signal.SIGINT)
        give_up.cancel()
    shown = "".join(seen)
    assert run.returncode == 0, shown
    told = re.search(r"received ([\d,]+), stored ([\d,]+), rejected ([\d,]+)", shown)
    assert told is not None
    received, stored, rejected = (int(text.replace(",", "")) for text in told.groups())
    assert received == stored + rejected > 0
    assert re.search(r"[\d,]+ records( by level|, none with a level)", shown)
    assert "by service" in shown
    assert "top patterns" in shown
    assert "tamis search '" in shown
    assert f":{port}/?token=" in shown
    assert "Traceback" not in shown
