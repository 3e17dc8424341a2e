"""What a basket costs, as two releases of the shop reckon it."""

from collections.abc import Sequence

from tamis.cli.demo.shop.world import Customer, Product

SHIPPING_FREE_FROM = 60.0
SHIPPING = 5.90


def total_of(items: Sequence[tuple[Product, int]], customer: Customer, *, with_loyalty: bool) -> float:
    """The price of everything with shipping; `with_loyalty` is what the new release brought."""
    goods = sum(product.price * quantity for product, quantity in items)
    if with_loyalty:
        goods -= loyalty_discount(goods, customer)
    return round(goods if goods >= SHIPPING_FREE_FROM else goods + SHIPPING, 2)


def loyalty_discount(goods: float, customer: Customer) -> float:
    """Up to a tenth off for those who buy more than usual; nobody thought of who buys for the first time."""
    usual = 1_800.0 / customer.orders
    return goods * min(0.1, goods / usual / 100)
