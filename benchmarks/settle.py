"""A data folder brought to rest: what the server does when nothing has come for some seconds, done at once."""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import folder_bytes, own_cpu_s


def settle(data: Path) -> dict[str, Any]:
    """Write segments anew, as small as the server makes them at leisure; how long it took, and the size then."""
    from tamis.settings import load_settings
    from tamis.store.embedded.store import open_store
    from tamis.store.open import store_options

    begin, cpu = time.perf_counter(), own_cpu_s()
    options = dataclasses.replace(store_options(load_settings({}, {})), shrink_after_s=0.0, background=False)
    store = open_store(data, options)
    try:
        while store.parts.upkeep.merge() or store.parts.upkeep.shrink():
            pass
    finally:
        store.close()
    return {"seconds": time.perf_counter() - begin, "cpu_s": own_cpu_s() - cpu, "bytes": folder_bytes(data)}


def main() -> None:
    """Bring a data folder to rest and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("data", type=Path)
    print(json.dumps(settle(parser.parse_args().data)))


if __name__ == "__main__":
    main()
