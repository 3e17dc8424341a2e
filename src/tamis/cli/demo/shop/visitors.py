"""The load: visitors who look round, buy, ask, and come in waves."""

import math
import threading
from random import Random
from typing import Any
from urllib.parse import quote

from tamis.cli.demo.dice import dice
from tamis.cli.demo.shop.calls import Answer, Calls
from tamis.cli.demo.shop.life import Place, live
from tamis.cli.demo.shop.world import Customer, World
from tamis.clock import SYSTEM_CLOCK
from tamis.embed.install import get_logger
from tamis.record.context import context

VISITORS = 6
PAUSE_S = 2.2
"""Between two visits of one thread, on average."""
WAVE_S = 45.0
PATIENCE_S = 2.5
BUY_SHARE = 0.65
TRIES = 2
_WORDS = ("lamp", "mug", "kettle", "kitchen", "glass", "towel", "sofa", "garden hose", "knife", "chair")
_QUESTIONS = {
    "status": "where is my order?",
    "refund": "I would like my money back",
    "sizes": "does the oak board come in a larger size?",
    "invoice": "can I have an invoice for my company?",
}
_log = get_logger("shop.visitors")


class Visitors:
    """Some threads, each one visitor after another."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._calls = Calls(place.start.ports)
        self._over = threading.Event()
        self._began_s = SYSTEM_CLOCK.monotonic_s()

    def run(self) -> None:
        """Visit until stopped."""
        _log.info("%d visitors at a time", VISITORS)
        threads = [
            threading.Thread(target=self._come_and_go, args=(n,), daemon=True) for n in range(VISITORS)
        ]
        for thread in threads:
            thread.start()
        self._over.wait()
        for thread in threads:
            thread.join(0.2)

    def stop(self) -> None:
        """No more."""
        self._over.set()

    def _come_and_go(self, number: int) -> None:
        chance = dice(self._place.start.seed, "visitor", number, self._place.start.number)
        while not self._over.wait(chance.expovariate(1 / self._pause_s())):
            customer = chance.choice(self._place.world.customers)
            visit = f"visit-{chance.randrange(16**10):010x}"
            with context(correlation_id=visit, customer=customer.id, region=customer.region):
                Visit(self._calls, self._place.world, customer, chance, self._over).go()

    def _pause_s(self) -> float:
        """Shorter and longer, as the day has its hours; the first come in a crowd."""
        passed_s = SYSTEM_CLOCK.monotonic_s() - self._began_s
        return PAUSE_S * (1.0 - 0.5 * math.cos(passed_s * 2 * math.pi / WAVE_S))


class Visit:
    """One visitor, from the front page on."""

    def __init__(
        self, calls: Calls, world: World, customer: Customer, chance: Random, over: threading.Event
    ) -> None:
        self._calls, self._world, self._customer, self._chance = calls, world, customer, chance
        self._over = over

    def go(self) -> None:
        """Look round; perhaps buy; perhaps ask."""
        _log.debug("visit of %s begins", self._customer.id)
        self._calls.get("web", "/")
        basket = self._look_round()
        if self._chance.random() < BUY_SHARE:
            self._sign_in()
            self._buy(basket)
        elif self._chance.random() < 0.3:
            self._ask(self._chance.choice(("sizes", "invoice")), None)
        if self._chance.random() < 0.05:
            self._calls.get("web", f"/products/{self._chance.choice(('kettle-99', 'sofa-01', 'lamp-40'))}")

    def _look_round(self) -> dict[str, int]:
        basket = {}
        if self._chance.random() < 0.4:
            self._calls.get("web", f"/search?q={quote(self._chance.choice(_WORDS))}")
        weights = range(2 * len(self._world.products), 0, -2)
        for product in self._chance.choices(self._world.products, weights, k=self._chance.randint(1, 3)):
            self._calls.get("web", f"/products/{product.sku}")
            basket[product.sku] = self._chance.randint(1, 2)
            self._over.wait(self._chance.uniform(0.02, 0.2))
        return basket

    def _sign_in(self) -> None:
        if self._chance.random() < 0.08:
            self._calls.post("web", "/sign-in", {"customer": self._customer.id, "wrong": True})
        self._calls.post("web", "/sign-in", {"customer": self._customer.id})

    def _buy(self, basket: dict[str, int]) -> None:
        for sku, quantity in basket.items():
            self._calls.post(
                "web", "/basket", {"customer": self._customer.id, "sku": sku, "quantity": quantity}
            )
        for _ in range(TRIES):
            bought = self._check_out(basket)
            if bought.status < 500 or self._chance.random() < 0.5 or self._over.wait(0.5):
                break
        self._after(bought)

    def _check_out(self, basket: dict[str, int]) -> Answer:
        began_s = SYSTEM_CLOCK.monotonic_s()
        bought = self._calls.post("web", "/checkout", {"customer": self._customer.id, "items": basket})
        waited_s = SYSTEM_CLOCK.monotonic_s() - began_s
        if waited_s > PATIENCE_S:
            _log.warning(
                "%s waited %.1f s for the checkout", self._customer.id, waited_s, wait_s=round(waited_s, 3)
            )
        return bought

    def _after(self, bought: Answer) -> None:
        order: Any = bought.body.get("order")
        if bought.ok and self._chance.random() < 0.15:
            self._ask(self._chance.choice(("status", "status", "refund")), order)
        elif bought.status >= 500:
            _log.warning(
                "%s left without buying: status %d", self._customer.id, bought.status, status=bought.status
            )

    def _ask(self, topic: str, order: str | None) -> None:
        asked = {"customer": self._customer.id, "topic": topic, "question": _QUESTIONS[topic], "order": order}
        if not self._calls.post("agent", "/ask", asked, timeout_s=15.0).ok:
            _log.info("%s waits for a person", self._customer.id)


if __name__ == "__main__":
    live(Visitors)
