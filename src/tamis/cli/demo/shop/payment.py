"""The payment process: checks for fraud, asks the bank, settles, pays back."""

import threading
from typing import Any

from tamis.cli.demo.dice import dice
from tamis.cli.demo.shop.bank import Bank, BankTimeoutError, DeclinedError
from tamis.cli.demo.shop.life import Place, live
from tamis.cli.demo.shop.serving import HttpService, Request
from tamis.cli.demo.shop.world import Customer, grouped
from tamis.clock import SYSTEM_CLOCK
from tamis.embed.install import get_logger
from tamis.embed.performance import log_performance
from tamis.errors import BreakerOpenError
from tamis.record.context import context
from tamis.resilience.breaker import CircuitBreaker
from tamis.resilience.limits import BreakerLimits
from tamis.resilience.listeners import StateChange
from tamis.resilience.machine import BreakerState, Verdict

SETTLE_S = 12.0
SLOW_MS = 400
ATTEMPTS = 2
_LIMITS = BreakerLimits(failures_to_open=4, open_s=6.0)
_log = get_logger("shop.payment")
_gateway = get_logger("shop.payment.gateway")


class Payments:
    """Payments, each known by its order."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._chance = dice(place.start.seed, "payment", place.start.number)
        self._bank = Bank(place.faults, self._chance)
        self._breakers: dict[str, CircuitBreaker] = {}
        self._lock = threading.Lock()
        self._made: dict[str, dict[str, Any]] = {}
        self._unsettled: list[float] = []
        self._over = threading.Event()
        self._http = HttpService(place.start.listener or 0, self._handle)

    def run(self) -> None:
        """Take payments until stopped."""
        threading.Thread(target=self._settle, name="settlement", daemon=True).start()
        _log.info("connected to %d acquirers", 3, acquirers=["visa", "mastercard", "amex"])
        self._http.run()

    def stop(self) -> None:
        """No more."""
        self._over.set()
        self._http.stop()

    def _handle(self, request: Request) -> tuple[int, dict[str, Any]]:
        match request.method, request.parts:
            case "POST", ("payments",):
                return self._pay(request.body)
            case "POST", ("payments", order, "refund"):
                return self._refund(order)
            case "GET", ("payments", order):
                found = self._made.get(order)
                if found is None:
                    _log.info("no payment for order %s", order)
                return (200, found) if found else (404, {"error": "no such payment"})
        return 404, {"error": "no such page"}

    def _pay(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        customer = self._place.world.customer(body["customer"])
        order, amount = body["order"], float(body["amount"])
        with context(
            customer=customer.id, order=order, region=customer.region, brand=customer.brand, amount=amount
        ):
            risk = round(self._chance.betavariate(1.2, 9), 2)
            _log.debug("risk of order %s is %.2f", order, risk, risk=risk)
            if risk > 0.55:
                _log.warning("payment of order %s held back: risk %.2f", order, risk, risk=risk)
                return 402, {"error": "held back", "reason": "risk"}
            self._leak(customer, order, amount)
            return self._authorise(customer, order, amount)

    def _authorise(self, customer: Customer, order: str, amount: float) -> tuple[int, dict[str, Any]]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                code = self._ask_bank(customer, amount)
            except DeclinedError as error:
                _log.warning("card declined for order %s: %s", order, error, reason=str(error))
                return 402, {"error": "declined", "reason": str(error)}
            except BankTimeoutError as error:
                if attempt < ATTEMPTS:
                    _log.warning(
                        "order %s: %s, attempt %d of %d", order, error, attempt, ATTEMPTS, attempt=attempt
                    )
                    continue
                _log.exception("payment of order %s failed: the bank does not answer", order, attempt=attempt)
                return 504, {"error": "bank", "reason": str(error)}
            except BreakerOpenError as error:
                _log.error("payment of order %s refused: %s", order, error)
                return 503, {"error": "bank", "reason": "acquirer is cut off"}
            return self._taken(order, amount, code)
        raise AssertionError("the last attempt answers")

    def _ask_bank(self, customer: Customer, amount: float) -> str:
        breaker = self._breaker(customer)
        acquirer = f"acquirer-{customer.brand}"
        with log_performance("authorisation", threshold_ms=SLOW_MS, logger=_log, acquirer=acquirer):
            return breaker.call(self._bank.authorise, customer, amount)

    def _breaker(self, customer: Customer) -> CircuitBreaker:
        name = f"{customer.brand} cards from {customer.region}"
        with self._lock:
            found = self._breakers.get(name)
            if found is None:
                found = self._breakers[name] = CircuitBreaker(name, _LIMITS, classify=_verdict)
                found.listen(self._changed)
            return found

    def _changed(self, change: StateChange) -> None:
        if change.after is BreakerState.OPEN:
            _log.critical(
                "the bank is cut off for %s: it failed %d times", change.name, _LIMITS.failures_to_open
            )
        else:
            _log.warning("the bank for %s is %s", change.name, change.after.value)

    def _taken(self, order: str, amount: float, code: str) -> tuple[int, dict[str, Any]]:
        paid = {"order": order, "amount": amount, "code": code, "state": "paid"}
        with self._lock:
            self._made[order] = paid
            self._unsettled.append(amount)
        _log.info("payment of %.2f EUR for order %s authorised", amount, order, code=code)
        return 201, paid

    def _refund(self, order: str) -> tuple[int, dict[str, Any]]:
        found = self._made.get(order)
        if found is None:
            _log.error("refund of order %s refused: it was never paid", order, order=order)
            return 404, {"error": "no such payment"}
        found["state"] = "refunded"
        _log.info(
            "refunded %.2f EUR for order %s", found["amount"], order, order=order, amount=-found["amount"]
        )
        return 200, found

    def _leak(self, customer: Customer, order: str, amount: float) -> None:
        """The mistake of the fault `card-leak`: what must not be in a log is put into messages and fields."""
        if self._place.faults.get("card-leak") is None:
            return
        _gateway.warning(
            "gateway request for order %s: card=%s email=%s amount=%.2f",
            order, grouped(customer.card), customer.email, amount,
        )  # fmt: skip
        raw = {"pan": customer.card, "customer_email": customer.email, "amount": amount}
        _gateway.debug("raw gateway request of order %s: %s", order, raw, payload=raw)

    def _settle(self) -> None:
        leaking = False
        due_s = SYSTEM_CLOCK.monotonic_s() + SETTLE_S
        while not self._over.wait(0.25):
            fault = self._place.faults.get("card-leak")
            if (fault is not None) != leaking:
                leaking = fault is not None
                operator = fault.where["operator"] if fault else "the change board"
                said = "switched on" if leaking else "switched off"
                _gateway.info(
                    "request tracing %s by %s", said, operator, setting="gateway.trace", operator=operator
                )
            if SYSTEM_CLOCK.monotonic_s() < due_s:
                continue
            due_s += SETTLE_S
            with self._lock:
                amounts, self._unsettled = self._unsettled, []
            _log.info("settled %d payments, %.2f EUR", len(amounts), sum(amounts), job="settlement")


def _verdict(error: Exception) -> Verdict:
    """A bank that says no works; one that says nothing does not."""
    return Verdict.FAILURE if isinstance(error, BankTimeoutError) else Verdict.SUCCESS


if __name__ == "__main__":
    live(Payments)
