"""Where things lie in the warehouses, as the picking lists of a release say."""

from tamis.cli.demo.faults import Fault
from tamis.cli.demo.shop.world import WAREHOUSES, Product

_GATES = {"Lyon": "L", "Leipzig": "P", "Turin": "T"}


class Shelves:
    """Picking lists. The release of the fault `bad-release` made them anew, and forgot a warehouse."""

    def __init__(self, release: Fault | None) -> None:
        self._aisles = {name: f"{_GATES[name]}-{number:02d}" for number, name in enumerate(WAREHOUSES, 11)}
        if release is not None:
            del self._aisles[release.where["warehouse"]]

    def place_of(self, product: Product) -> str:
        """The aisle of a product."""
        return self._aisles[product.warehouse]
