"""The faults of the demonstration, and when each comes: all of it follows from the seed."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import msgspec

from tamis.cli.demo.dice import dice
from tamis.cli.demo.shop.world import WAREHOUSES, World, make_world

FIRST_S = (8.0, 12.0)
LASTS_S = (24.0, 36.0)
QUIET_S = (10.0, 18.0)
"""From the end of one fault to the next."""

RELEASES = {"web": ("3.11.2", "3.12.0"), "stock": ("2.4.1", "2.5.0")}
"""The services that can get a bad release: the version that runs, and the one that breaks."""
VERSIONS = {
    "web": "3.11.2",
    "stock": "2.4.1",
    "payment": "5.0.3",
    "mail": "1.9.0",
    "agent": "0.8.4",
    "visitors": "1.0",
}


class Fault(msgspec.Struct, frozen=True):
    """One fault: when (seconds after the start), where, and how it is told to people."""

    kind: str
    start_s: float
    end_s: float
    told: str
    over: str
    """How its end is told."""
    query: str
    """What finds its traces."""
    where: dict[str, str] = {}
    """What it hits: the service, brand, region, product, warehouse, as the kind says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What chance made of a kind of fault."""

    told: str
    over: str
    query: str
    where: dict[str, str]


Draw = Callable[[Random, World], Drawn]


def _slow_bank(chance: Random, world: World) -> Drawn:
    pairs = Counter((one.brand, one.region) for one in world.customers)
    brand, region = chance.choice([pair for pair, _ in pairs.most_common(2)])
    cards = f"{brand} cards from {region}"
    return Drawn(
        told=f"the bank answers late for {cards}",
        over=f"the bank answers in time again for {cards}",
        query="service:payment level>=warning",
        where={"brand": brand, "region": region},
    )


def _bad_release(chance: Random, _: World) -> Drawn:
    service = chance.choice(sorted(RELEASES))
    before, after = RELEASES[service]
    return Drawn(
        told=f"{service} {after} was deployed, and has a bug",
        over=f"{service} was rolled back to {before}",
        query=f"service:{service} version:={after} level>=error",
        where={"service": service, "from": before, "to": after, "warehouse": chance.choice(WAREHOUSES)},
    )


def _card_leak(chance: Random, _: World) -> Drawn:
    return Drawn(
        told="payment logs whole gateway requests, cards and all; they arrive redacted",
        over="payment logs no gateway requests any more",
        query='"gateway request"',
        where={"operator": chance.choice(("mila", "jonas", "ada"))},
    )


def _stock_lock(chance: Random, world: World) -> Drawn:
    sku = chance.choice(world.products[:2]).sku
    return Drawn(
        told=f"a stocktaking locks the row of {sku}, which sells out",
        over=f"the stocktaking of {sku} is done",
        query=f'service:stock level>=warning "{sku}"',
        where={"sku": sku},
    )


def _mail_refused(chance: Random, _: World) -> Drawn:
    return Drawn(
        told="the mail relay refuses connections",
        over="the mail relay takes mail again",
        query="service:mail level>=warning",
        where={"relay": f"relay-{chance.randint(1, 3)}"},
    )


def _agent_loop(chance: Random, _: World) -> Drawn:
    return Drawn(
        told="the agent finds no orders, and asks again and again, for money",
        over="the agent finds orders again",
        query="service:agent level>=warning",
        where={"index": f"orders-{chance.randint(2, 9)}"},
    )


KINDS: dict[str, Draw] = {
    "slow-bank": _slow_bank,
    "bad-release": _bad_release,
    "card-leak": _card_leak,
    "stock-lock": _stock_lock,
    "mail-refused": _mail_refused,
    "agent-loop": _agent_loop,
}


def schedule(seed: int, kinds: Sequence[str] = tuple(KINDS)) -> Iterator[Fault]:
    """The faults in the order they come, without end: each kind once a round, the rounds shuffled by the seed."""
    chance, world = dice(seed, "faults", *kinds), make_world(seed)
    at_s = chance.uniform(*FIRST_S)
    while True:
        for kind in chance.sample(kinds, len(kinds)):
            drawn = KINDS[kind](chance, world)
            end_s = at_s + chance.uniform(*LASTS_S)
            yield Fault(kind, at_s, end_s, drawn.told, drawn.over, drawn.query, drawn.where)
            at_s = end_s + chance.uniform(*QUIET_S)
