"""The mail process: takes mails, sends them from a queue over SMTP, tries again when the relay refuses."""

import contextvars
import queue
import smtplib
import threading
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

from tamis.cli.demo.shop.life import Place, live
from tamis.cli.demo.shop.relay import HOST, Relay
from tamis.cli.demo.shop.serving import HttpService, Request
from tamis.clock import SYSTEM_CLOCK
from tamis.embed.install import get_logger
from tamis.embed.performance import log_performance
from tamis.record.context import context

ATTEMPTS = 3
PAUSE_S = 1.0
WORKERS = 2
LIMIT_S = 3.0
MANY_WAITING = 15
_SUBJECTS = {
    "confirmation": "Your order is on its way",
    "declined": "Your payment was declined",
    "failed": "We could not take your payment",
    "refund": "Your money is on its way back",
    "welcome": "Good to have you",
}
_log = get_logger("shop.mail")


@dataclass(frozen=True, slots=True)
class Job:
    """A mail to send. `variables` are those of the request that wanted it, so that its ids go along."""

    number: int
    customer: str
    template: str
    variables: contextvars.Context


class Mail:
    """A queue of mails in front of a relay."""

    def __init__(self, place: Place) -> None:
        self._place, self._relay = place, Relay()
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._kept: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._numbers = 0
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._http = HttpService(place.start.listener or 0, self._handle)

    def run(self) -> None:
        """Take and send mails until stopped."""
        _log.info("sending through %s:%d", HOST, self._relay.port, workers=WORKERS)
        for number in range(WORKERS):
            threading.Thread(target=self._work, name=f"sender-{number}", daemon=True).start()
        threading.Thread(target=self._watch_relay, name="relay-watch", daemon=True).start()
        self._http.run()

    def stop(self) -> None:
        """No more."""
        self._over.set()
        self._http.stop()
        self._relay.close()

    def _handle(self, request: Request) -> tuple[int, dict[str, Any]]:
        if (request.method, request.parts) != ("POST", ("mails",)):
            return 404, {"error": "no such page"}
        customer, template = request.body["customer"], request.body["template"]
        if template not in _SUBJECTS:
            _log.error("no template called %r", template, customer=customer)
            return 422, {"error": "no such template"}
        with self._lock:
            self._numbers += 1
            number = self._numbers
        with context(customer=customer, order=request.body.get("order"), template=template):
            _log.debug("mail %d queued: %s", number, template, mail=number)
            self._jobs.put(Job(number, customer, template, contextvars.copy_context()))
        return 202, {"mail": number}

    def _work(self) -> None:
        while not self._over.is_set():
            try:
                job = self._jobs.get(timeout=0.2)
            except queue.Empty:
                continue
            job.variables.run(self._send, job)

    def _send(self, job: Job) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with log_performance("smtp", threshold_ms=500, logger=_log, mail=job.number):
                    self._hand_over(job)
            except (OSError, smtplib.SMTPException) as error:
                if attempt == ATTEMPTS:
                    _log.exception(
                        "mail %d not sent after %d attempts, kept", job.number, ATTEMPTS, mail=job.number
                    )
                    self._keep(job)
                    return
                _log.warning(
                    "mail %d: %s, attempt %d of %d", job.number, error, attempt, ATTEMPTS, mail=job.number
                )
                self._over.wait(PAUSE_S)
            else:
                _log.info("mail %d sent: %s", job.number, job.template, mail=job.number)
                return

    def _hand_over(self, job: Job) -> None:
        customer = self._place.world.customer(job.customer)
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = (
            "shop@shop.example",
            customer.email,
            _SUBJECTS[job.template],
        )
        mail.set_content(f"Dear {customer.name},\n\n{_SUBJECTS[job.template]}.\n")
        with smtplib.SMTP(HOST, self._relay.port, local_hostname="shop.example", timeout=LIMIT_S) as relay:
            relay.send_message(mail)

    def _keep(self, job: Job) -> None:
        self._kept.put(job)
        waiting = self._kept.qsize() + self._jobs.qsize()
        if waiting >= MANY_WAITING and waiting % MANY_WAITING == 0:
            _log.critical("%d mails wait, customers hear nothing", waiting, waiting=waiting)

    def _watch_relay(self) -> None:
        """The relay comes and goes with the fault `mail-refused`; what was kept is sent when it is back."""
        away_s: float | None = None
        while not self._over.wait(0.1):
            is_away = self._place.faults.get("mail-refused") is not None
            if is_away and away_s is None:
                away_s = SYSTEM_CLOCK.monotonic_s()
                self._relay.close()
            elif not is_away and away_s is not None:
                self._relay.open()
                kept, passed_s = self._kept.qsize(), SYSTEM_CLOCK.monotonic_s() - away_s
                _log.info(
                    "the relay is back after %.0f s, %d kept mails go out", passed_s, kept, waiting=kept
                )
                for _ in range(kept):
                    self._jobs.put(self._kept.get())
                away_s = None


if __name__ == "__main__":
    live(Mail)
