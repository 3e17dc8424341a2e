"""The faults of the demonstration, and when each comes: all of it follows from the seed."""

from collections.abc import Callable, Iterator, Sequence
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
    query: str
    """What finds its traces."""
    where: dict[str, str] = {}
    """What it hits: the service, brand, region, product, warehouse, as the kind says."""


Draw = Callable[[Random, World], tuple[dict[str, str], str, str]]
"""Where, told, query."""


def _slow_bank(chance: Random, world: World) -> tuple[dict[str, str], str, str]:
    hit = chance.choice(world.customers)
    brand, region = hit.brand, hit.region
    told = f"the bank answers late for {brand} cards from {region}"
    return {"brand": brand, "region": region}, told, "service:payment level>=warning"


def _bad_release(chance: Random, _: World) -> tuple[dict[str, str], str, str]:
    service = chance.choice(sorted(RELEASES))
    before, after = RELEASES[service]
    where = {"service": service, "from": before, "to": after, "warehouse": chance.choice(WAREHOUSES)}
    return (
        where,
        f"{service} {after} was deployed, and has a bug",
        f"service:{service} version:={after} level>=error",
    )


def _card_leak(chance: Random, _: World) -> tuple[dict[str, str], str, str]:
    told = "payment writes whole gateway requests, cards and all, into its log; they arrive redacted"
    return {"operator": chance.choice(("mila", "jonas", "ada"))}, told, '"gateway request"'


def _stock_lock(chance: Random, world: World) -> tuple[dict[str, str], str, str]:
    product = chance.choice(world.products[:4])
    told = f"a stocktaking holds the row of {product.sku}, and it sells out"
    return {"sku": product.sku}, told, f'service:stock level>=warning "{product.sku}"'


def _mail_refused(chance: Random, _: World) -> tuple[dict[str, str], str, str]:
    return (
        {"relay": f"relay-{chance.randint(1, 3)}"},
        "the mail relay refuses connections",
        "service:mail level>=warning",
    )


def _agent_loop(chance: Random, _: World) -> tuple[dict[str, str], str, str]:
    told = "the agent's order lookup finds nothing, so it asks again and again, for money"
    return {"index": f"orders-{chance.randint(2, 9)}"}, told, "service:agent level>=warning"


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
            where, told, query = KINDS[kind](chance, world)
            end_s = at_s + chance.uniform(*LASTS_S)
            yield Fault(kind, at_s, end_s, told, query, where)
            at_s = end_s + chance.uniform(*QUIET_S)
