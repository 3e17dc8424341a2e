"""Handlers in front of other handlers, when the interpreter ends."""

import signal
from pathlib import Path

import pytest

from tests.support.commands import Ran, run_program

PROGRAM = """
import logging, logging.config, sys
front = {{"class": "tamis.{kind}", "handler": "cfg://handlers.file"{more}}}
file = {{"class": "logging.FileHandler", "filename": "app.log", "mode": "w"}}
logging.config.dictConfig({{
    "version": 1,
    "handlers": {{"file": file, "{name}": front}},
    "root": {{"handlers": ["{name}"], "level": "INFO"}},
}})
for n in range(5000):
    logging.info("record %s", n)
"""


@pytest.mark.parametrize("name", ["a", "z"], ids=["made before", "made after"])
@pytest.mark.parametrize(
    ("kind", "more"), [("AsyncLogHandler", ""), ("EncryptionHandler", ', "mode": "mask"')]
)
def test_a_wrapped_handler_is_closed_last(tmp_path: Path, kind: str, more: str, name: str) -> None:
    """Whatever their names, and so the order in which dictConfig makes them and `logging` closes them: the wrapped
    handler is still open when what waits is handed over."""
    text = PROGRAM.format(kind=kind, more=more, name=name)
    assert run_program(text, home=tmp_path) == Ran(0, "", "")
    found = (tmp_path / "app.log").read_text("utf-8").splitlines()
    assert found == [f"record {n}" for n in range(5000)]


TWICE = """
import os, signal, threading, time
import tamis
from tamis.testing import MemorySink

all_logged = threading.Event()

class Slow(MemorySink):
    name = "slow"
    spooled = False
    def send(self, batch, /, *, timeout_s):
        all_logged.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
        with open("sent", "a") as file:
            file.writelines(record.message + "\\n" for record in batch.records)
        return super().send(batch, timeout_s=timeout_s)

tamis.configure(service="shop", sinks=[Slow(), "file:log.jsonl"], sigterm=True)
for n in range(50):
    tamis.get_logger("shop").info("record %d", n)
all_logged.set()
"""


def test_sigterm_in_the_middle_of_the_end_cuts_nothing_short(tmp_path: Path) -> None:
    """As pools of processes send it to workers that end by themselves: what is being delivered is delivered, and
    then the process ends by the signal."""
    assert run_program(TWICE, home=tmp_path) == Ran(-signal.SIGTERM, "", "")
    assert (tmp_path / "sent").read_text("utf-8").splitlines() == [f"record {n}" for n in range(50)]
    assert len((tmp_path / "log.jsonl").read_text("utf-8").splitlines()) == 50
