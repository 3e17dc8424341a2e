"""Calls from one process of the shop to another: JSON over HTTP, with the ids that join their records."""

import http.client
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tamis.embed.correlation import correlation_headers
from tamis.embed.install import get_logger

HOST = "127.0.0.1"
TIMEOUT_S = 8.0
_HEADERS = {"Content-Type": "application/json", "User-Agent": "shop"}
_log = get_logger("shop.calls")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said."""

    status: int
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return self.status < http.client.BAD_REQUEST


class Calls:
    """Where the others listen."""

    def __init__(self, ports: dict[str, int]) -> None:
        self._ports = ports

    def get(self, service: str, path: str, *, timeout_s: float = TIMEOUT_S) -> Answer:
        """Ask for something."""
        return self._call(service, "GET", path, None, timeout_s=timeout_s)

    def post(self, service: str, path: str, body: dict[str, Any], *, timeout_s: float = TIMEOUT_S) -> Answer:
        """Have something done. A service that cannot be reached counts as 503, one that is silent as 504."""
        return self._call(service, "POST", path, body, timeout_s=timeout_s)

    def _call(
        self, service: str, method: str, path: str, body: dict[str, Any] | None, *, timeout_s: float
    ) -> Answer:
        connection = http.client.HTTPConnection(HOST, self._ports[service], timeout=timeout_s)
        content = None if body is None else msgspec.json.encode(body)
        try:
            connection.request(method, path, body=content, headers={**_HEADERS, **correlation_headers()})
            response = connection.getresponse()
            return Answer(response.status, msgspec.json.decode(response.read() or b"{}"))
        except TimeoutError:
            _log.error(
                "%s did not answer %s %s within %.1f s", service, method, path, timeout_s, callee=service
            )
            return Answer(504)
        except (OSError, http.client.HTTPException) as error:
            _log.error("%s cannot be reached: %s", service, error, callee=service, exc_info=error)
            return Answer(503)
        finally:
            connection.close()
