"""The shop as a whole: its processes, kept alive; its faults, put on and taken off when they are due."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from tamis.cli.demo.child import Child
from tamis.cli.demo.faults import RELEASES, VERSIONS, Fault
from tamis.cli.demo.shop.letters import Account, FaultOff, FaultOn, Start
from tamis.cli.failure import CommandError
from tamis.clock import SYSTEM_CLOCK

SERVING = ("stock", "payment", "mail", "agent", "web")
LOAD = "visitors"
NAMES = (*SERVING, LOAD)
READY_S = 30.0
REPLACED_S = 2.0
STOP_S = 1.5
"""How long a process takes at most to hand over its records; then it is killed."""
RESTARTS_MAX = 20
"""A process that falls over so often is left alone."""

Say = Callable[[str], None]


class ShopProcesses:
    """A context: the shop runs inside. `tick` is called a few times a second and does what is due."""

    def __init__(self, *, seed: int, sink: str, folder: Path, faults: Iterator[Fault], say: Say) -> None:
        self._seed, self._sink, self._folder, self._say = seed, sink, folder, say
        self._faults = faults
        self._next = next(faults)
        self._sockets = {name: socket.create_server(("127.0.0.1", 0), backlog=128) for name in SERVING}
        self._children: dict[str, Child] = {}
        self._numbers = dict.fromkeys(NAMES, 0)
        self.fault: Fault | None = None
        """The fault that is on."""
        self.accounts: list[tuple[str, Account | None]] = []
        """Of each process that has ended; None when it fell over."""

    def __enter__(self) -> "ShopProcesses":
        try:
            for name in SERVING:
                self._start(name)
            for name in SERVING:
                self._wait_until_ready(name)
            self._start(LOAD)
        except BaseException:
            self.close()
            raise
        self._began_s = SYSTEM_CLOCK.monotonic_s()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def passed_s(self) -> float:
        """Since it opened."""
        return SYSTEM_CLOCK.monotonic_s() - self._began_s

    @property
    def next_in_s(self) -> float:
        """Until the next fault."""
        return self._next.start_s - self.passed_s

    def tick(self) -> None:
        """Faults that are due, processes that fell over."""
        self._look_after()
        if self.fault is not None and self.passed_s >= self.fault.end_s:
            self._end(self.fault)
        if self.fault is None and self.passed_s >= self._next.start_s:
            fault, self._next = self._next, next(self._faults)
            self._begin(fault)

    def close(self) -> None:
        """End everything: the visitors first, so that nobody meets a closed door."""
        self._stop_all((LOAD,), "the demonstration ends")
        self._stop_all(SERVING, "the demonstration ends")
        for one in self._sockets.values():
            one.close()

    def _begin(self, fault: Fault) -> None:
        self.fault = fault
        self._say(f"fault: {fault.told}")
        if fault.kind == "bad-release":
            self._deploy(fault.where["service"], f"deployed, replaces {fault.where['from']}")
        for child in self._children.values():
            child.tell(FaultOn(fault))

    def _end(self, fault: Fault) -> None:
        self.fault = None
        self._say(f"over: {fault.over}")
        for child in self._children.values():
            child.tell(FaultOff(fault.kind))
        if fault.kind == "bad-release":
            self._deploy(fault.where["service"], f"rolled back from {fault.where['to']}")

    def _deploy(self, name: str, told: str) -> None:
        """Another version of a service in the place of the one that runs; callers wait at the open socket."""
        self._stop_all((name,), "another version takes its place")
        self._numbers[name] += 1
        self._start(name, told)

    def _start(self, name: str, told: str = "") -> None:
        release = self.fault if self.fault is not None and self.fault.kind == "bad-release" else None
        if release is not None and release.where["service"] != name:
            release = None
        listener = self._sockets.get(name)
        start = Start(
            name=name,
            version=VERSIONS[name] if release is None else RELEASES[name][1],
            seed=self._seed,
            number=self._numbers[name],
            sink=self._sink,
            spool=str(self._folder / "state"),
            ports={service: one.getsockname()[1] for service, one in self._sockets.items()},
            listener=None if listener is None else listener.fileno(),
            release=release,
            told=told,
        )
        child = self._children[name] = Child(start, self._folder / f"{name}.log")
        if self.fault is not None:
            child.tell(FaultOn(self.fault))

    def _wait_until_ready(self, name: str) -> None:
        child = self._children[name]
        deadline_s = SYSTEM_CLOCK.monotonic_s() + READY_S
        while not child.ready.wait(0.05):
            if child.ended() is not None or SYSTEM_CLOCK.monotonic_s() > deadline_s:
                said = (self._folder / f"{name}.log").read_text(errors="replace").strip()
                raise CommandError(f"{name} of the shop did not start: {said[-500:] or 'it says nothing'}")

    def _look_after(self) -> None:
        for name, child in list(self._children.items()):
            code = child.ended()
            if code is None:
                continue
            child.close(0)
            self.accounts.append((name, child.account))
            del self._children[name]
            self._numbers[name] += 1
            if self._numbers[name] > RESTARTS_MAX:
                self._say(f"{name} ended again ({_how(code)}); it stays away")
                continue
            self._say(f"{name} ended by itself ({_how(code)}); started again")
            self._start(name, f"the one before ended by itself ({_how(code)})")

    def _stop_all(self, names: tuple[str, ...], why: str) -> None:
        children = [child for name in names if (child := self._children.pop(name, None)) is not None]
        for child in children:
            child.stop(why, STOP_S)
        deadline_s = SYSTEM_CLOCK.monotonic_s() + REPLACED_S
        for child in children:
            child.close(max(0.1, deadline_s - SYSTEM_CLOCK.monotonic_s()))
            self.accounts.append((child.name, child.account))


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
