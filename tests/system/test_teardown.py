"""What is logged after everything else: when the interpreter takes the program's own objects apart."""

import json
from pathlib import Path

from tests.support.commands import Ran, run_program

PROGRAM = """
import tamis
tamis.configure(service="shop", sinks=["file:log.jsonl"])
log = tamis.get_logger("shop")
class Connection:
    def __del__(self, log=log):
        for n in range(5):
            log.info("gone %d", n)
kept = Connection()
for n in range(100):
    log.info("record %d", n)
"""


def test_finalizers_of_the_last_objects_may_log(tmp_path: Path) -> None:
    """Threads are stopped wherever they are by then: none of them keeps what a record needs."""
    for _ in range(3):
        assert run_program(PROGRAM, home=tmp_path) == Ran(0, "", "")
        found = [
            json.loads(line)["message"] for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()
        ]
        assert found == [f"record {n}" for n in range(100)] + [f"gone {n}" for n in range(5)]
        (tmp_path / "log.jsonl").unlink()
