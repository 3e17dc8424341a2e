"""Who buys what: customers and products, the same for all processes of one seed."""

from dataclasses import dataclass
from itertools import accumulate
from random import Random

from tamis.cli.demo.dice import dice

REGIONS = ("FR", "DE", "ES", "IT")
REGION_SHARES = (4, 3, 2, 2)
BRANDS = ("visa", "mastercard", "amex")
BRAND_SHARES = (4, 4, 2)
WAREHOUSES = ("Lyon", "Leipzig", "Turin")
CUSTOMERS = 60
FIRST_CUSTOMER = 2001
NEW_SHARE = 0.2
_PREFIXES = {"visa": "4", "mastercard": "55", "amex": "37"}
_DIGITS = {"visa": 16, "mastercard": 16, "amex": 15}
_NAMES = (
    "Alice Martin", "Bruno Keller", "Carla Rossi", "Daan Visser", "Elena García", "Farid Benali", "Greta Braun",
    "Hugo Lefèvre", "Ines Romero", "Jan de Vries", "Klara Vogel", "Luca Bianchi", "Marta Ruiz", "Nils Schäfer",
    "Odile Mercier", "Paolo Conti", "Quentin Roux", "Rosa Navarro", "Sofie Bakker", "Tom Weber",
)  # fmt: skip
_PRODUCTS = (
    ("kettle-17", "electric kettle", 39.90), ("lamp-04", "desk lamp", 54.50), ("mug-22", "stoneware mug", 12.00),
    ("press-03", "coffee press", 29.90), ("chair-11", "reading chair", 249.00), ("clock-08", "wall clock", 34.00),
    ("sieve-01", "fine sieve", 17.50), ("board-06", "oak cutting board", 44.00), ("scale-09", "kitchen scale", 27.90),
    ("radio-02", "bakelite radio", 119.00), ("vase-13", "glass vase", 31.00), ("towel-30", "linen towel", 14.90),
    ("knife-05", "chef's knife", 89.00), ("apron-12", "canvas apron", 36.00), ("stool-07", "kitchen stool", 72.00),
    ("tray-21", "serving tray", 24.50),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who buys. `card` is a number that passes Luhn's check, of no card there is."""

    id: str
    name: str
    email: str
    region: str
    brand: str
    card: str
    orders: int
    """How many before today; 0 for new customers."""


@dataclass(frozen=True, slots=True)
class Product:
    """Something to buy."""

    sku: str
    name: str
    price: float
    warehouse: str


@dataclass(frozen=True, slots=True)
class World:
    """Everybody and everything."""

    customers: tuple[Customer, ...]
    products: tuple[Product, ...]

    def customer(self, key: str) -> Customer:
        """The customer of an id, who is there."""
        return next(one for one in self.customers if one.id == key)

    def product(self, sku: str) -> Product | None:
        """The product of a stock-keeping unit."""
        return next((one for one in self.products if one.sku == sku), None)


def make_world(seed: int) -> World:
    """The customers and products of a seed."""
    chance = dice(seed, "world")
    customers = tuple(_customer(chance, number) for number in range(CUSTOMERS))
    products = tuple(Product(*row, chance.choice(WAREHOUSES)) for row in _PRODUCTS)
    return World(customers, products)


def _customer(chance: Random, number: int) -> Customer:
    name, brand = chance.choice(_NAMES), chance.choices(BRANDS, BRAND_SHARES)[0]
    mailbox = (
        name.lower().replace(" ", ".").replace("é", "e").replace("è", "e").replace("ä", "a").replace("í", "i")
    )
    return Customer(
        id=f"c{FIRST_CUSTOMER + number}",
        name=name,
        email=f"{mailbox}{number}@mail.example",
        region=chance.choices(REGIONS, REGION_SHARES)[0],
        brand=brand,
        card=card_number(chance, brand),
        orders=0 if chance.random() < NEW_SHARE else chance.randint(1, 40),
    )


def card_number(chance: Random, brand: str) -> str:
    """A number as the brand's cards have them, with Luhn's check digit."""
    prefix = _PREFIXES[brand]
    body = prefix + "".join(str(chance.randint(0, 9)) for _ in range(_DIGITS[brand] - len(prefix) - 1))
    return body + str(-luhn_sum(body + "0") % 10)


def luhn_sum(number: str) -> int:
    """Luhn's sum (ISO/IEC 7812-1); of a whole card number it is a multiple of 10."""
    digits = [int(digit) for digit in reversed(number)]
    return sum(digits[0::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])


def grouped(card: str) -> str:
    """A card number as it stands on the card."""
    sizes = (4, 6, 5) if len(card) == _DIGITS["amex"] else (4, 4, 4, 4)
    ends = list(accumulate(sizes))
    return " ".join(card[end - size : end] for size, end in zip(sizes, ends, strict=True))
