"""What the shop of `tamis demo` logs, as calls of a logger: the same for the same seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.redaction_cases import positives
from tamis.cli.demo.shop.world import World, make_world

SEED = 20261121
SECRET_SHARE = 0.03

Call = tuple[int, str, tuple[Any, ...], dict[str, Any]]
"""Level, template, arguments, fields."""


@dataclass(frozen=True, slots=True)
class Dice:
    """What calls are drawn from."""

    chance: random.Random
    world: World

    @property
    def order(self) -> str:
        """An order's number."""
        return f"o-{self.chance.randrange(10**6):06d}"

    @property
    def sku(self) -> str:
        """A product's."""
        return self.chance.choice(self.world.products).sku

    @property
    def customer(self) -> str:
        """A customer's id."""
        return self.chance.choice(self.world.customers).id

    def ms(self, middle: float) -> float:
        """A duration."""
        return round(self.chance.lognormvariate(0, 0.6) * middle, 3)


def _access(dice: Dice) -> Call:
    method, route, path = dice.chance.choice(
        (
            ("GET", "/products/{sku}", f"/products/{dice.sku}"),
            ("GET", "/stock/{sku}", f"/stock/{dice.sku}"),
            ("POST", "/payments", "/payments"),
            ("GET", "/orders/{order}", f"/orders/{dice.order}"),
            ("GET", "/search", "/search"),
        )
    )
    status = dice.chance.choices((200, 201, 404, 409), (90, 6, 3, 1))[0]
    size = dice.chance.randrange(20, 900)
    fields = {
        "method": method, "path": path, "route": route, "status": status, "duration_ms": dice.ms(9.0), "bytes": size,
    }  # fmt: skip
    return 20, "%s %s %s", (method, path, status), fields


def _showed(dice: Dice) -> Call:
    sku, left = dice.sku, dice.chance.randrange(90)
    price = dice.chance.choice(dice.world.products).price
    return 20, "showed %s at %.2f EUR", (sku, price), {"sku": sku, "left": left}


def _left(dice: Dice) -> Call:
    sku, left = dice.sku, dice.chance.randrange(90)
    return 10, "%d of %s left", (left, sku), {"sku": sku, "left": left}


def _basket(dice: Dice) -> Call:
    sku, number = dice.sku, dice.chance.randrange(1, 5)
    return (
        20,
        "%d x %s put into the basket",
        (number, sku),
        {"sku": sku, "customer": dice.customer, "items": number},
    )


def _signed_in(dice: Dice) -> Call:
    customer = dice.customer
    return (
        20,
        "%s signed in",
        (customer,),
        {"customer": customer, "region": dice.chance.choice(("FR", "DE", "ES"))},
    )


def _paid(dice: Dice) -> Call:
    order, code = dice.order, f"A{dice.chance.randrange(16**6):06X}"
    amount = round(dice.chance.uniform(10, 400), 2)
    fields = {"code": code, "order": order, "customer": dice.customer}
    return 20, "payment of %.2f EUR for order %s authorised", (amount, order), fields


def _reserved(dice: Dice) -> Call:
    order = dice.order
    places = f"aisle {dice.chance.randrange(40)}, {dice.chance.choice(('Lyon', 'Leipzig', 'Turin'))}"
    fields = {"places": places, "order": order, "customer": dice.customer}
    return 20, "reserved %d items for order %s", (dice.chance.randrange(1, 6), order), fields


def _risk(dice: Dice) -> Call:
    order, risk = dice.order, round(dice.chance.random() * 0.5, 4)
    return 10, "risk of order %s is %.2f", (order, risk), {"risk": risk, "order": order}


def _mail(dice: Dice) -> Call:
    number = dice.chance.randrange(10**5)
    template = dice.chance.choice(("welcome", "order", "shipped"))
    return 20, "mail %d sent: %s", (number, template), {"mail": number, "template": template}


def _slow(dice: Dice) -> Call:
    what = dice.chance.choice(("product page", "authorisation", "smtp"))
    taken = dice.ms(120.0)
    fields = {"duration_ms": taken, "threshold_ms": 250, "status": "ok", "acquirer": "acquirer-visa"}
    return 30, "%s took %.1f ms", (what, taken), fields


def _usage(dice: Dice) -> Call:
    came, went = dice.chance.randint(300, 2600), dice.chance.randint(50, 430)
    fields = {
        "input_tokens": came, "output_tokens": went, "tokens": came + went, "cost": round(came * 3e-6, 6),
        "model": "shop-large", "agent": "support", "run_id": f"{dice.chance.getrandbits(128):032x}",
    }  # fmt: skip
    return 20, "%d tokens used", (came + went,), fields


def _declined(dice: Dice) -> Call:
    why = dice.chance.choice(("insufficient funds", "card expired", "limit of the day reached"))
    return 30, "card declined for order %s: %s", (dice.order, why), {"reason": why}


_MADE: tuple[tuple[Callable[[Dice], Call], int], ...] = (
    (_access, 40), (_showed, 14), (_left, 12), (_basket, 7), (_signed_in, 4), (_paid, 5), (_reserved, 5),
    (_risk, 5), (_mail, 4), (_slow, 1), (_usage, 2), (_declined, 1),
)  # fmt: skip
"""What is logged, and how often: about as the demonstration does when nothing is wrong."""


def calls(number: int, *, secret_share: float = 0.0) -> list[Call]:
    """So many calls; a share of them with something sensitive in the message or a field."""
    dice = Dice(random.Random(SEED), make_world(SEED))
    makes, weights = [make for make, _ in _MADE], [weight for _, weight in _MADE]
    secrets = [case for case in positives() if case.kind]
    made: list[Call] = []
    for make in dice.chance.choices(makes, weights, k=number):
        level, text, arguments, fields = make(dice)
        if dice.chance.random() < secret_share:
            told = dice.chance.choice(secrets).text
            if dice.chance.random() < 0.5:
                text, arguments = f"{text}; customer wrote %s", (*arguments, told)
            else:
                fields = {**fields, "note": told}
        made.append((level, text, arguments, fields))
    return made
