"""Write the golden folder of the manifest's format: `python -m tests.formats.write_manifest`."""

import random
from pathlib import Path

from tamis.integrity.ledger.signing import Signer
from tamis.integrity.publish import About, Edition, publish
from tests.support.hand_clock import HandClock

PLACE = Path(__file__).parent / "manifest_v1"
SIGNER = Signer(bytes(range(32)))
FILES = {"rules/a.toml": b"a = 1\n", "words.bin": random.Random(3).randbytes(200_000)}
EDITION = Edition(
    name="golden",
    release="0.2",
    change="the first",
    valid_s=86_400,
    about=lambda path: About(required=path == "words.bin", part="words", without="the rest"),
)

if __name__ == "__main__":
    for path, data in FILES.items():
        (PLACE / path).parent.mkdir(parents=True, exist_ok=True)
        (PLACE / path).write_bytes(data)
    publish(PLACE, EDITION, signer=SIGNER, clock=HandClock())
    (PLACE / "words.bin").unlink()  # made again by whoever reads it: no bytes of chance in the repository
