"""Mending what is lost without being asked: from the mirrors that the settings name, while the store runs."""

from contextlib import ExitStack

from tamis.integrity.sources.opened import open_source
from tamis.store.embedded.format.manifest import Loss
from tamis.store.embedded.keep.keeper import Job, Lane
from tamis.store.embedded.keep.workshop import Workshop
from tamis.store.embedded.repair.repairer import Repairer

_TICK_S = 1.0


class SelfMender:
    """Asks the mirrors once something is lost, and again `mend_interval_s` later. Called by one thread."""

    def __init__(self, shop: Workshop, repairer: Repairer) -> None:
        self._shop, self._repairer = shop, repairer
        self._tried: tuple[Loss, ...] = ()
        self._tried_s = 0.0

    def due(self) -> bool:
        """Whether there is something to mend that the mirrors were not asked for of late."""
        shop = self._shop
        losses = shop.catalog.manifest.losses
        if not losses or not shop.options.mirrors:
            return False
        is_late = shop.clock.monotonic_s() - self._tried_s >= shop.options.mend_interval_s
        return losses != self._tried or is_late

    def run(self) -> None:
        """Mend what can be mended."""
        shop = self._shop
        self._tried_s = shop.clock.monotonic_s()
        with ExitStack() as opened:
            sources = [open_source(place, shop.disk, clock=shop.clock) for place in shop.options.mirrors]
            for source in sources:
                opened.callback(source.close)
            self._repairer.mend_known(sources)
        self._tried = shop.catalog.manifest.losses


def mending_lane(shop: Workshop, repairer: Repairer) -> Lane:
    """The thread that does it, which waits for nobody and for which nobody waits."""
    mender = SelfMender(shop, repairer)
    return Lane("mend", [Job("mending", mender.due, mender.run)], clock=shop.clock, tick_s=_TICK_S)
