"""A batch job: one correlation id for the run, each item on its own, a summary, an exit code.

python examples/batch_job.py
"""

import sys
import uuid

import tamis

tamis.configure(service="invoices")
log = tamis.get_logger("invoices.run")

ITEMS = [
    {"invoice": 1, "cents": 1_250, "iban": "DE89 3704 0044 0532 0130 00"},
    {"invoice": 2, "cents": 0, "iban": "DE89 3704 0044 0532 0130 00"},
    {"invoice": 3, "cents": 990, "iban": "DE89 3704 0044 0532 0130 00"},
]


def send(item: dict[str, object]) -> None:
    if not item["cents"]:
        raise ValueError(f"invoice {item['invoice']} is over nothing")
    log.info("invoice %d sent", item["invoice"], **item)


def run() -> int:
    failed = 0
    with tamis.context(correlation_id=uuid.uuid4().hex, run="nightly"), tamis.log_performance("invoices"):
        for item in ITEMS:
            try:
                send(item)
            except ValueError:
                failed += 1
                log.exception("an invoice was not sent", invoice=item["invoice"])
        log.info("%d of %d sent", len(ITEMS) - failed, len(ITEMS), sent=len(ITEMS) - failed, failed=failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(run())  # what waits is delivered when the interpreter ends
