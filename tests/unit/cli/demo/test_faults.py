"""The schedule of faults, and the world of a seed."""

from itertools import islice, pairwise

from tamis.cli.demo.faults import KINDS, schedule
from tamis.cli.demo.shop.shelves import Shelves
from tamis.cli.demo.shop.world import grouped, luhn_sum, make_world


def test_the_seed_decides_the_faults() -> None:
    """The same seed gives the same faults at the same times, another seed others."""
    first, again, other = (list(islice(schedule(seed), 12)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_something_breaks_in_the_first_twenty_seconds() -> None:
    """Whatever the seed, nobody waits for the first fault; faults follow each other, with quiet between them."""
    for seed in range(50):
        faults = list(islice(schedule(seed), 12))
        assert 5 < faults[0].start_s < 20
        assert all(one.end_s - one.start_s > 20 for one in faults)
        assert all(after.start_s > before.end_s + 5 for before, after in pairwise(faults))


def test_each_kind_comes_once_a_round() -> None:
    """Six faults show all six kinds; a choice of kinds keeps to it."""
    assert {fault.kind for fault in islice(schedule(7), len(KINDS))} == set(KINDS)
    assert {fault.kind for fault in islice(schedule(7, ["card-leak"]), 5)} == {"card-leak"}


def test_cards_look_like_cards() -> None:
    """Every customer's number has the brand's length and passes Luhn's check, so that only redaction hides it."""
    world = make_world(3)
    for customer in world.customers:
        assert len(customer.card) == (15 if customer.brand == "amex" else 16)
        assert luhn_sum(customer.card) % 10 == 0
        assert grouped(customer.card).replace(" ", "") == customer.card
    assert luhn_sum("4111111111111111") % 10 == 0
    assert luhn_sum("4111111111111112") % 10 != 0


def test_the_bad_release_breaks_some_and_not_all() -> None:
    """Products of one warehouse have no place any more, those of the others have; before, all had."""
    world = make_world(1)
    fault = next(schedule(1, ["bad-release"]))
    broken = Shelves(fault)
    for product in world.products:
        assert Shelves(None).place_of(product)
        try:
            found = broken.place_of(product)
        except KeyError:
            assert product.warehouse == fault.where["warehouse"]
        else:
            assert found
            assert product.warehouse != fault.where["warehouse"]
