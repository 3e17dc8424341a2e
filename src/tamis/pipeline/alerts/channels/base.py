"""What channels over HTTP have in common: one request for each alert, and what its answer means."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tamis.clock import SYSTEM_CLOCK, Clock
from tamis.pipeline.alerts.alert import Alert, alert_of
from tamis.pipeline.alerts.channels.url import ChannelUrl
from tamis.pipeline.base import DELIVERED, Batch, BatchLimits, Outcome, Rejected
from tamis.pipeline.sinks.endpoint import Endpoint, first_words

ONE_AT_ONCE = BatchLimits(records=1, wait_s=0.0)
"""Each alert is a notice of its own, told at once."""
_LATER = frozenset((401, 403, 404, 405, 408, 425, 429))
_SERVER_FAILS = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """What is sent for an alert: JSON, and headers beside the usual ones."""

    body: bytes
    headers: Mapping[str, str]


class HttpChannel(ABC):
    """A sink (see `tamis.pipeline.base.Sink`) that posts each alert to one URL. 2xx: told. 408, 425, 429 and from
    500 on: again later; so are redirects (none is followed), 401, 403, 404 and 405, which say that the URL is wrong:
    alerts wait until it is right. Anything else: refused, and kept as a dead letter with the reason.
    """

    limits = ONE_AT_ONCE
    spooled = True

    def __init__(self, url: ChannelUrl, path: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name, self._path, self._clock = url.name, path, clock
        self._endpoint = Endpoint(
            url.name, url.address, headers={}, trust=url.trust(), dial=url.dial, clock=clock
        )

    @abstractmethod
    def notice(self, alert: Alert, batch_id: str) -> Notice:
        """What the receiver understands; the same for each try, but for what says when it was sent."""
        ...

    def send(self, batch: Batch, /, *, timeout_s: float) -> Outcome:
        """Post each alert."""
        until_s = self._endpoint.until_s(timeout_s)
        rejected = []
        for record in batch.records:
            try:
                alert = alert_of(record)
            except ValueError as error:
                rejected.append(Rejected(record, str(error)))
                continue
            notice = self.notice(alert, batch.id)
            headers = {"Content-Type": "application/json", **notice.headers}
            answer = self._endpoint.request("POST", self._path, notice.body, headers=headers, until_s=until_s)
            is_redirect = answer.status in range(300, 400)
            if is_redirect or answer.status in _LATER or answer.status >= _SERVER_FAILS:
                raise self._endpoint.unavailable(answer, first_words(answer))
            if answer.status not in range(200, 300):
                rejected.append(Rejected(record, first_words(answer)))
        return Outcome(rejected=tuple(rejected)) if rejected else DELIVERED

    def close(self) -> None:
        """Close the connections."""
        self._endpoint.close()


def encode(body: Mapping[str, Any] | list[Any]) -> bytes:
    """JSON, in the order given."""
    return msgspec.json.encode(body)
