"""A folder of files that belong together, kept whole on another machine. Here both are folders in a temporary place."""

import tempfile
from pathlib import Path

from tamis import StorageManager
from tamis.integrity.ledger.signing import Signer
from tamis.integrity.publish import About, Edition, publish
from tamis.integrity.trust import Trust

place = Path(tempfile.mkdtemp())
mirror, kept = place / "mirror", place / "kept"

# Who has the files publishes them: a manifest of all that lies in the folder, signed.
(mirror / "models").mkdir(parents=True)
(mirror / "models/words.bin").write_bytes(bytes(range(256)) * 4_000)
signer = Signer(b"32 secret bytes, from a key file")
edition = Edition(
    name="shop",
    release="1.0",
    change="the first words",
    about=lambda path: About(part="search by meaning", without="words are searched"),
)
publish(mirror, edition, signer=signer)

# Who needs them keeps them: what is missing or damaged comes from the mirrors.
manager = StorageManager(kept, [mirror], trust=Trust(name="shop", keys=(signer.public,)))
report = manager.initialize_and_verify()
print(report.state, report.mended)
print(len(manager.read("models/words.bin")))

# A byte flips; the next look finds it, and one chunk travels.
damaged = bytearray((kept / "models/words.bin").read_bytes())
damaged[500_000] ^= 1
(kept / "models/words.bin").write_bytes(damaged)
report = manager.initialize_and_verify()
print(report.mended, report.bytes_fetched < 300_000)

# A new version: only what changed travels.
with (mirror / "models/words.bin").open("ab") as file:
    file.write(b"a few words more")
publish(mirror, edition, signer=signer)
report = manager.update()
print(report.version, report.mended, report.bytes_fetched < 300_000)

# Nothing to mend from: a degraded mode with a name, and no exception.
manager.close()
(kept / "models/words.bin").unlink()
alone = StorageManager(kept, trust=Trust(name="shop", keys=(signer.public,)))
for mode in alone.initialize_and_verify().modes:
    print(mode.name, "-", mode.text)
alone.close()
