"""Arrow's threads are no nicer than those who ask."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, threading
from pathlib import Path
import pyarrow as pa
from tamis.resilience.executor.workers.thread import give_way
from tamis.store.embedded.keep.pools import spawn_threads

def nicer():
    found = []
    for task in Path("/proc/self/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        found.append(int(fields[16]) > base)
    return sum(found)

def work():
    give_way(base + 5)
    values = pa.chunked_array([pa.array([0])] * 64)
    pa.table({"value": values}).group_by("value").aggregate([("value", "count")])
    print(nicer())

base = os.getpriority(os.PRIO_PROCESS, 0)
pa.set_cpu_count(4)
if SPAWN:
    spawn_threads()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere niceness is the whole process's")
def test_threads_that_are_there_stay_as_they_are() -> None:
    """A nice thread that works with Arrow is the only nice one; without it Arrow's would be, too."""
    for spawn in (True, False):
        command = [sys.executable, "-c", PROGRAM.replace("SPAWN", str(spawn))]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        nice = int(done.stdout)
        assert nice == 1 if spawn else nice > 1
