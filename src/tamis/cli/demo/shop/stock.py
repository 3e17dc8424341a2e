"""The stock process: how many there are of each product, reservations under a lock for each row, restocking."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tamis.cli.demo.dice import dice
from tamis.cli.demo.faults import Fault
from tamis.cli.demo.shop.life import Place, live
from tamis.cli.demo.shop.serving import HttpService, Request
from tamis.cli.demo.shop.shelves import Shelves
from tamis.cli.demo.shop.world import Product
from tamis.clock import SYSTEM_CLOCK
from tamis.embed.install import get_logger
from tamis.record.context import context

LOCK_LIMIT_S = 1.2
SLOW_LOCK_S = 0.15
RESTOCK_S = 15.0
LOW = 12
FULL = 120
_log = get_logger("shop.stock")
_rows = get_logger("shop.stock.rows")


class RowLockTimeoutError(Exception):
    """Somebody else holds the row of a product for too long."""


class SoldOutError(Exception):
    """There are fewer than were asked for."""


class Rows:
    """Quantities by product, each behind a lock of its own."""

    def __init__(self, products: tuple[Product, ...], first: int) -> None:
        self.left = {product.sku: first for product in products}
        self._locks = {product.sku: threading.Lock() for product in products}

    @contextmanager
    def held(self, sku: str, limit_s: float = LOCK_LIMIT_S) -> Iterator[None]:
        """The row is ours within the block; RowLockTimeoutError when it does not become so in time."""
        began_s = SYSTEM_CLOCK.monotonic_s()
        if not self._locks[sku].acquire(timeout=limit_s):
            raise RowLockTimeoutError(f"the row of {sku} was locked for more than {limit_s:.1f} s")
        waited_s = SYSTEM_CLOCK.monotonic_s() - began_s
        try:
            if waited_s >= SLOW_LOCK_S:
                _rows.warning(
                    "waited %.0f ms for the row of %s", waited_s * 1e3, sku, sku=sku, wait_ms=waited_s * 1e3
                )
            yield
        finally:
            self._locks[sku].release()


class Stock:
    """Answers how many there are, and gives them away."""

    def __init__(self, place: Place) -> None:
        self._place, self._world = place, place.world
        self._chance = dice(place.start.seed, "stock", place.start.number)
        self._rows = Rows(place.world.products, FULL)
        release = place.start.release
        self._shelves = Shelves(release)
        self._over = threading.Event()
        self._http = HttpService(place.start.listener or 0, self._handle)

    def run(self) -> None:
        """Serve until stopped."""
        _log.info("loaded %d products from %d warehouses", len(self._world.products), 3)
        for work in (self._restock, self._watch_stocktaking):
            threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True).start()
        self._http.run()

    def stop(self) -> None:
        """No more."""
        self._over.set()
        self._http.stop()

    def _handle(self, request: Request) -> tuple[int, dict[str, Any]]:
        match request.method, request.parts:
            case "GET", ("stock", sku):
                return self._level(sku)
            case "POST", ("reservations",):
                return self._reserve(request.body)
            case "POST", ("reservations", order, "release"):
                return self._release(order, request.body)
        return 404, {"error": "no such page"}

    def _level(self, sku: str) -> tuple[int, dict[str, Any]]:
        left = self._rows.left.get(sku)
        if left is None:
            _log.warning("asked for an unknown product %s", sku, sku=sku)
            return 404, {"error": "no such product"}
        _log.debug("%d of %s left", left, sku, sku=sku, left=left)
        return 200, {"sku": sku, "left": left}

    def _reserve(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        order, items = body["order"], body["items"]
        with context(order=order, customer=body.get("customer")):
            try:
                places = [self._take(sku, quantity) for sku, quantity in items.items()]
            except SoldOutError as error:
                _log.warning("reservation for order %s refused: %s", order, error)
                return 409, {"error": "sold out", "reason": str(error)}
            except RowLockTimeoutError as error:
                _log.exception("reservation for order %s failed: %s", order, error)
                return 503, {"error": "locked", "reason": str(error)}
            _log.info("reserved %d items for order %s", sum(items.values()), order, places=places)
            return 201, {"order": order, "places": places}

    def _take(self, sku: str, quantity: int) -> str:
        product = self._world.product(sku)
        assert product is not None
        aisle = self._shelves.place_of(product)
        with self._rows.held(sku):
            left = self._rows.left[sku]
            if left < quantity:
                raise SoldOutError(f"{sku} is sold out, {left} left of {quantity} asked for")
            self._rows.left[sku] = left - quantity
        _rows.debug("%s: %d -> %d", sku, left, left - quantity, sku=sku, left=left - quantity)
        if left - quantity < LOW <= left:
            _log.warning("stock of %s is low: %d left", sku, left - quantity, sku=sku, left=left - quantity)
        return aisle

    def _release(self, order: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        for sku, quantity in body["items"].items():
            with self._rows.held(sku):
                self._rows.left[sku] += quantity
        _log.info("reservation of order %s given back: %s", order, body.get("why", "not paid"), order=order)
        return 200, {"order": order}

    def _restock(self) -> None:
        while not self._over.wait(RESTOCK_S):
            counting = self._place.faults.get("stock-lock")
            for sku, left in list(self._rows.left.items()):
                if left < FULL // 2 and not (counting and counting.where["sku"] == sku):
                    with self._rows.held(sku):
                        self._rows.left[sku] += FULL
                    _log.info(
                        "delivery of %d %s from %s", FULL, sku, self._supplier(), sku=sku, job="restock"
                    )
            low = sum(left < LOW for left in self._rows.left.values())
            _log.debug("restocking checked %d products, %d are low", len(self._rows.left), low, job="restock")

    def _supplier(self) -> str:
        return self._chance.choice(("Sieb & Söhne", "Maison Tamis", "Casa Setaccio"))

    def _watch_stocktaking(self) -> None:
        while not self._over.wait(0.1):
            fault = self._place.faults.get("stock-lock")
            if fault is not None:
                self._take_stock(fault)

    def _take_stock(self, fault: Fault) -> None:
        """The mistake of the fault `stock-lock`: counting by hand with the row locked."""
        sku, counted = fault.where["sku"], 0
        _log.info("stocktaking of %s begins", sku, sku=sku, job="stocktaking")
        with self._rows.held(sku, limit_s=30.0):
            self._rows.left[sku] = min(self._rows.left[sku], LOW // 2)
        while self._place.faults.get("stock-lock") and not self._over.is_set():
            counted += 1
            with self._rows.held(sku, limit_s=30.0):
                _rows.debug(
                    "stocktaking holds the row of %s, shelf %d", sku, counted, sku=sku, job="stocktaking"
                )
                time.sleep(self._chance.uniform(1.0, 3.0))
            self._over.wait(0.05)
        _log.info("stocktaking of %s ends after %d shelves", sku, counted, sku=sku, job="stocktaking")


if __name__ == "__main__":
    live(Stock)
