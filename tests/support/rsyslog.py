"""A real rsyslogd for tests."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_S = 30


@contextmanager
def running_rsyslog(rsyslogd: Path, config: Path) -> Iterator[None]:
    """Runs for the block, and must not have ended before; what it says stands beside its configuration."""
    told = config.with_suffix(".said")
    with told.open("wb") as said:
        process = subprocess.Popen(
            [str(rsyslogd), "-n", "-iNONE", "-f", str(config)], stdout=said, stderr=said
        )
    try:
        yield
        assert process.poll() is None, told.read_text()
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)
