"""The bank behind the payments: takes its time, refuses now and then, and is silent while it is in trouble."""

import time
from random import Random

from tamis.cli.demo.faults import Fault
from tamis.cli.demo.shop.life import Faults
from tamis.cli.demo.shop.world import Customer

LIMIT_S = 1.6
"""How long a payment waits for the bank."""
_DECLINED = ("insufficient funds", "card expired", "limit of the day reached", "security code is wrong")
DECLINED_SHARE = 0.04
SLOW_S = (1.0, 5.0)
"""What the trouble of the fault `slow-bank` adds."""


class BankTimeoutError(Exception):
    """The bank gave no answer in time."""


class DeclinedError(Exception):
    """The bank says no."""


class Bank:
    """One bank for each brand of cards."""

    def __init__(self, faults: Faults, chance: Random) -> None:
        self._faults, self._chance = faults, chance

    def authorise(self, customer: Customer, amount: float) -> str:
        """The bank's code for the payment; waits as long as the bank takes."""
        delay_s = self._delay_s(customer)
        time.sleep(min(delay_s, LIMIT_S))
        if delay_s > LIMIT_S:
            raise BankTimeoutError(f"acquirer-{customer.brand} gave no answer within {LIMIT_S:.1f} s")
        if self._chance.random() < DECLINED_SHARE or amount > 900:
            raise DeclinedError(self._chance.choice(_DECLINED))
        return f"A{self._chance.randrange(16**6):06X}"

    def _delay_s(self, customer: Customer) -> float:
        usual_s = self._chance.lognormvariate(-2.6, 0.4)
        fault = self._faults.get("slow-bank")
        return usual_s + self._chance.uniform(*SLOW_S) if fault and _hits(fault, customer) else usual_s


def _hits(fault: Fault, customer: Customer) -> bool:
    return (customer.brand, customer.region) == (fault.where["brand"], fault.where["region"])
