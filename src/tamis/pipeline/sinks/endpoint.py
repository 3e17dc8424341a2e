"""`Endpoint`: one server as network sinks talk to it, once for each call; and what its refusals have in common."""

import base64
import email.utils
import gzip
import json
import math
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from tamis.clock import NS_PER_S, SYSTEM_CLOCK, Clock
from tamis.errors import SinkUnavailableError
from tamis.http_client.address import Address
from tamis.http_client.connection import FAILURES, USUAL_TRUST, Pool, Request, Response, Trust
from tamis.http_client.exchange import exchange
from tamis.http_client.guard import Dial, dial_any
from tamis.pipeline.fork import watch_forks
from tamis.version import __version__

CONNECTIONS_MAX = 5
COMPRESS_FROM_BYTES = 1_024
GZIP_LEVEL = 6
ZSTD_LEVEL = 3
REASON_CHARS_MAX = 500
_SECRET_CHARS_MIN = 4
"""Shorter ones are none, and would make every reason illegible."""
MASK = "***"
"""What stands in the place of a secret of our own."""
_RETRY_AFTER_S_MAX = 3_600.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a sink has sent: bodies as they were, and as they went over the wire."""

    requests: int = 0
    plain_bytes: int = 0
    sent_bytes: int = 0

    @property
    def saved_bytes(self) -> int:
        """What compression spared."""
        return self.plain_bytes - self.sent_bytes


class Endpoint:
    """One server. Thread-safe; starts nothing, repeats nothing. After a fork the child has connections of its own,
    and after `close` the next call opens new ones.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        *,
        headers: Mapping[str, str],
        trust: Trust = USUAL_TRUST,
        connections_max: int = CONNECTIONS_MAX,
        dial: Dial = dial_any,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name, self._address, self._trust, self._clock = name, address, trust, clock
        self._headers = {"User-Agent": f"tamis/{__version__}", "Accept": "application/json", **headers}
        self._connections_max, self._dial = connections_max, dial
        self._secrets = _secrets_in(headers)
        self.after_fork()
        self._traffic = Traffic()
        watch_forks(self)

    def after_fork(self) -> None:
        """In the child: connections are the parent's."""
        self._lock = threading.Lock()
        self._pool = Pool(
            self._address,
            0.0,
            trust=self._trust,
            connections_max=self._connections_max,
            dial=self._dial,
            clock=self._clock,
        )

    @property
    def traffic(self) -> Traffic:
        """What was sent so far."""
        return self._traffic

    def request(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        until_s: float,
        plain_bytes: int = 0,
    ) -> Response:
        """The answer, whatever its status; SinkUnavailableError (status 0) when none came until then."""
        request = Request(method, path, {**self._headers, **headers}, body)
        try:
            answer = exchange(self._pool, request, until_s - self._clock.monotonic_s(), clock=self._clock)
        except FAILURES as failure:
            raise SinkUnavailableError(self.name, _failure_words(failure)) from failure
        except Exception as failure:  # the edge to a network: no record is to blame for what fails there
            reason = f"no request can be made here ({type(failure).__name__}: {failure})"
            raise SinkUnavailableError(self.name, reason) from failure
        with self._lock:
            known = self._traffic
            self._traffic = Traffic(
                known.requests + 1,
                known.plain_bytes + (plain_bytes or len(body)),
                known.sent_bytes + len(body),
            )
        return answer

    def discreet(self, text: str) -> str:
        """A text without what proves to the server who we are, however it is written there."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
            for length in range(len(secret) - 1, _SECRET_CHARS_MIN - 1, -1):
                if text.endswith(secret[:length]):  # a reason is cut somewhere
                    text = text[:-length] + MASK
                    break
        return text

    def until_s(self, timeout_s: float) -> float:
        """When the time of a `send` is over, for all its requests together."""
        return self._clock.monotonic_s() + timeout_s

    def unavailable(self, answer: Response, reason: str) -> SinkUnavailableError:
        """The error that says to send the batch again later."""
        wait_s = retry_after_s(answer, self._clock)
        return SinkUnavailableError(self.name, reason, retry_after_s=wait_s, status=answer.status)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def _secrets_in(headers: Mapping[str, str]) -> tuple[str, ...]:
    """What is secret in headers, as it is, in quotes of JSON and in URLs: tokens, passwords, and both of `Basic`;
    the longest first.
    """
    found: set[str] = set()
    for name, value in headers.items():
        scheme, _, rest = value.partition(" ")
        found.update((value, rest) if rest else (value,))
        if name == "Authorization" and scheme == "Basic":
            pair = base64.b64decode(rest).decode("utf-8", "surrogatepass")
            found.update((pair, pair.partition(":")[2]))
    kept = [one for one in found if len(one) >= _SECRET_CHARS_MIN]
    forms = {form for one in kept for form in (one, json.dumps(one)[1:-1], quote(one, safe=""))}
    return tuple(sorted(forms, key=len, reverse=True))


def retry_after_s(answer: Response, clock: Clock = SYSTEM_CLOCK) -> float | None:
    """How long the answer asks to wait, in seconds or until a date; None when it does not, or nobody can read it."""
    text = answer.headers.get("retry-after", "").strip()
    try:
        wait_s = float(text)
    except ValueError:
        try:
            wait_s = email.utils.parsedate_to_datetime(text).timestamp() - clock.now_ns() / NS_PER_S
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return None if math.isnan(wait_s) else min(max(wait_s, 0.0), _RETRY_AFTER_S_MAX)


def first_words(answer: Response) -> str:
    """The status with the first line of the answer, for what speaks no protocol of ours (a proxy, mostly)."""
    text = answer.body[:REASON_CHARS_MAX].decode("utf-8", "replace").strip()
    first = text.splitlines()[0][:REASON_CHARS_MAX] if text and not text.startswith("<") else ""
    return f"answered with status {answer.status}" + (f": {first}" if first else "")


def gzipped(body: bytes) -> bytes:
    """A body as gzip, the same bytes whenever it is made."""
    return gzip.compress(body, GZIP_LEVEL, mtime=0)


def best_compression() -> tuple[str, Callable[[bytes], bytes]]:
    """zstd where this Python has it, else gzip; with its name in Content-Encoding."""
    try:
        return "zstd", _zstd()
    except ImportError:
        return "gzip", gzipped


def _zstd() -> Callable[[bytes], bytes]:
    import sys

    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return lambda body: zstd.compress(body, ZSTD_LEVEL)


def _failure_words(failure: Exception) -> str:
    if isinstance(failure, TimeoutError):
        return "no answer in time"
    if isinstance(failure, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(failure, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({failure.verify_message}); ca_file= names who signed it"
    text = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
    return f"the connection failed ({text or type(failure).__name__})"
