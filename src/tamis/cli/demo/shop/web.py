"""The web process: pages, baskets, checkouts; it asks stock, payment and mail."""

import itertools
import threading
from typing import Any
from urllib.parse import parse_qs

from tamis.cli.demo.dice import dice
from tamis.cli.demo.shop.asgi import AsgiService
from tamis.cli.demo.shop.calls import Answer, Calls
from tamis.cli.demo.shop.life import Place, live
from tamis.cli.demo.shop.pricing import total_of
from tamis.cli.demo.shop.serving import Request
from tamis.cli.demo.shop.world import Customer, Product
from tamis.embed.install import get_logger
from tamis.embed.performance import log_performance
from tamis.record.context import context

FIRST_ORDER = 70_001
ORDERS_KEPT = 2_000
_PAGE = 404, {"error": "no such page"}
_log = get_logger("shop.web")
_checkout = get_logger("shop.web.checkout")


class Web:
    """What customers see."""

    def __init__(self, place: Place) -> None:
        self._place, self._world = place, place.world
        self._calls = Calls(place.start.ports)
        self._chance = dice(place.start.seed, "web", place.start.number)
        self._numbers = itertools.count(FIRST_ORDER + 1_000 * place.start.number)
        self._orders: dict[str, dict[str, Any]] = {}
        self._failed_sign_ins: dict[str, int] = {}
        self._lock = threading.Lock()
        self._http = AsgiService(place.start.listener or 0, self._handle)

    def run(self) -> None:
        """Serve until stopped."""
        _log.info(
            "serving %d products to %d customers", len(self._world.products), len(self._world.customers)
        )
        self._http.run()

    def stop(self) -> None:
        """No more."""
        self._http.stop()

    def _handle(self, request: Request) -> tuple[int, dict[str, Any]]:
        match request.method, request.parts:
            case "GET", ():
                return self._front()
            case "GET", ("search",):
                return self._search(request.query)
            case "GET", ("products", sku):
                return self._product(sku)
            case "GET", ("orders", order):
                return self._order(order)
            case "POST", ("sign-in",):
                return self._sign_in(request.body)
            case "POST", ("basket",):
                return self._basket(request.body)
            case "POST", ("checkout",):
                return self._check_out(request.body)
            case "POST", ("orders", order, "cancel"):
                return self._cancel(order)
        _log.warning("no page at /%s", "/".join(request.parts))
        return _PAGE

    def _front(self) -> tuple[int, dict[str, Any]]:
        offers = self._chance.sample(self._world.products, 3)
        _log.debug("front page with offers %s", ", ".join(one.sku for one in offers))
        return 200, {"offers": [one.sku for one in offers]}

    def _search(self, query: str) -> tuple[int, dict[str, Any]]:
        words = parse_qs(query).get("q", [""])[0]
        found = [one.sku for one in self._world.products if words in one.name]
        if not found:
            _log.info("search for %r found nothing", words, words=words)
        else:
            _log.info("search for %r found %d products", words, len(found), words=words)
        return 200, {"found": found}

    def _product(self, sku: str) -> tuple[int, dict[str, Any]]:
        product = self._world.product(sku)
        if product is None:
            _log.warning("no product %s, dead link?", sku, sku=sku)
            return 404, {"error": "no such product"}
        with log_performance("product page", threshold_ms=250, logger=_log, sku=sku):
            stock = self._calls.get("stock", f"/stock/{sku}")
        if not stock.ok:
            _log.error("no stock figure for %s: status %d", sku, stock.status, sku=sku, callee="stock")
        left = stock.body.get("left")
        _log.info("showed %s at %.2f EUR", sku, product.price, sku=sku, left=left)
        return 200, {"sku": sku, "price": product.price, "left": left}

    def _order(self, order: str) -> tuple[int, dict[str, Any]]:
        found = self._orders.get(order)
        if found is None:
            _log.info("order %s not found", order, order=order)
            return 404, {"error": "no such order"}
        _log.debug("order %s looked up, it is %s", order, found["state"], order=order)
        return 200, found

    def _sign_in(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        customer = self._world.customer(body["customer"])
        if body.get("wrong"):
            with self._lock:
                tries = self._failed_sign_ins[customer.id] = self._failed_sign_ins.get(customer.id, 0) + 1
            _log.warning("wrong password for %s, attempt %d", customer.id, tries, customer=customer.id)
            return 403, {"error": "wrong password"}
        self._failed_sign_ins.pop(customer.id, None)
        _log.info("%s signed in", customer.id, customer=customer.id, region=customer.region)
        if not customer.orders:
            self._mail(customer, "welcome")
        return 200, {"customer": customer.id}

    def _basket(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        sku, quantity = body["sku"], int(body["quantity"])
        _log.info(
            "%d x %s put into the basket",
            quantity,
            sku,
            sku=sku,
            quantity=quantity,
            customer=body["customer"],
        )
        return 200, {"sku": sku}

    def _check_out(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        customer = self._world.customer(body["customer"])
        order = f"o{next(self._numbers)}"
        items = [(product, n) for sku, n in body["items"].items() if (product := self._world.product(sku))]
        with context(customer=customer.id, region=customer.region, order=order):
            _checkout.info("checkout begins, %d items", sum(number for _, number in items))
            with log_performance("checkout", threshold_ms=1_500, logger=_checkout):
                return self._sell(order, customer, items)

    def _sell(
        self, order: str, customer: Customer, items: list[tuple[Product, int]]
    ) -> tuple[int, dict[str, Any]]:
        total = total_of(items, customer, with_loyalty=self._place.start.release is not None)
        _checkout.debug("total is %.2f EUR", total, total=total)
        wanted = {product.sku: number for product, number in items}
        asked = {"order": order, "items": wanted, "customer": customer.id}
        reserved = self._calls.post("stock", "/reservations", asked)
        if not reserved.ok:
            return self._refused(order, customer, "stock", reserved)
        payment = {"order": order, "customer": customer.id, "amount": total}
        paid = self._calls.post("payment", "/payments", payment)
        if not paid.ok:
            self._calls.post("stock", f"/reservations/{order}/release", {"items": wanted})
            return self._refused(order, customer, "payment", paid)
        self._keep(order, {"order": order, "customer": customer.id, "total": total, "state": "paid"})
        self._mail(customer, "confirmation", order)
        _checkout.info("order %s placed, %.2f EUR", order, total, total=total, items=wanted)
        return 201, {"order": order, "total": total}

    def _refused(
        self, order: str, customer: Customer, callee: str, answer: Answer
    ) -> tuple[int, dict[str, Any]]:
        reason = answer.body.get("reason") or answer.body.get("error") or "no answer"
        self._keep(order, {"order": order, "customer": customer.id, "state": "refused", "reason": reason})
        fields = {"callee": callee, "callee_status": answer.status, "reason": reason}
        if answer.status >= 500:
            _checkout.error("checkout of %s failed: %s answered %d", order, callee, answer.status, **fields)
            if callee == "payment":
                self._mail(customer, "failed", order)
            return 502, {"error": callee}
        _checkout.warning("checkout of %s refused: %s", order, reason, **fields)
        if callee == "payment":
            self._mail(customer, "declined", order)
        return 409, {"error": reason}

    def _cancel(self, order: str) -> tuple[int, dict[str, Any]]:
        found = self._orders.get(order)
        if found is None or found["state"] != "paid":
            _log.warning("order %s cannot be cancelled", order, order=order)
            return 409, {"error": "cannot be cancelled"}
        with context(order=order, customer=found["customer"]):
            refund = self._calls.post("payment", f"/payments/{order}/refund", {})
            if refund.ok:
                found["state"] = "cancelled"
                self._mail(self._world.customer(found["customer"]), "refund", order)
            _log.info("order %s cancelled by its customer", order, refunded=refund.ok)
        return 200, found

    def _mail(self, customer: Customer, template: str, order: str | None = None) -> None:
        asked = {"customer": customer.id, "template": template, "order": order}
        if not self._calls.post("mail", "/mails", asked).ok:
            _log.error("mail %r for %s was not taken", template, customer.id, template=template)

    def _keep(self, order: str, found: dict[str, Any]) -> None:
        with self._lock:
            self._orders[order] = found
            if len(self._orders) > ORDERS_KEPT:
                del self._orders[next(iter(self._orders))]


if __name__ == "__main__":
    live(Web)
