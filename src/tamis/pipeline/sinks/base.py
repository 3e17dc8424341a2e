"""What all sinks of a server have in common: one endpoint, what went through it, its end."""

from abc import ABC, abstractmethod
from dataclasses import replace

from tamis.errors import BatchTooLargeError, SinkUnavailableError
from tamis.pipeline.base import DELIVERED, Batch, BatchLimits, Outcome, Rejected
from tamis.pipeline.sinks.endpoint import Endpoint, Traffic


class RemoteSink(ABC):
    """A sink that is a server; see `tamis.pipeline.base.Sink`. A member says in `deliver` how its protocol takes a
    batch, and sets `name`, `limits` and `_endpoint` when it is made.
    """

    spooled = True
    name: str
    limits: BatchLimits
    _endpoint: Endpoint

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def traffic(self) -> Traffic:
        """What was sent so far, and what compression saved."""
        return self._endpoint.traffic

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        """Deliver a batch; see `tamis.pipeline.base.Sink`."""
        if not batch.records:
            return DELIVERED
        before = self.traffic.sent_bytes
        discreet = (
            self._endpoint.discreet
        )  # a receiver's reasons may repeat what it was sent, with its headers
        try:
            outcome = self.deliver(batch, self._endpoint.until_s(timeout_s))
        except SinkUnavailableError as error:
            reason, wait_s = discreet(error.reason), error.retry_after_s
            raise SinkUnavailableError(self.name, reason, retry_after_s=wait_s, status=error.status) from None
        except BatchTooLargeError as error:
            raise BatchTooLargeError(self.name, discreet(error.reason)) from None
        rejected = tuple([Rejected(one.record, discreet(one.reason)) for one in outcome.rejected])
        return replace(outcome, rejected=rejected, sent_bytes=self.traffic.sent_bytes - before)

    @abstractmethod
    def deliver(self, batch: Batch, until_s: float) -> Outcome:
        """Send a batch that is not empty, until an instant of the endpoint's clock."""

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()
