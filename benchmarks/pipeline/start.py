"""What it costs to import Tamis and to set it up, each time in a fresh process: prints figures as JSON."""

import json
import logging
import sys
import tempfile
import time
from pathlib import Path

import msgspec

ALLOWED = {"tamis", "msgspec", "benchmarks"}


def main() -> None:
    """Import, configure, log a first record."""
    assert logging
    assert msgspec
    before = set(sys.modules)
    begin, cpu = time.perf_counter(), time.process_time()
    import tamis

    imported_ms, imported_cpu_ms = (time.perf_counter() - begin) * 1e3, (time.process_time() - cpu) * 1e3
    roots = {name.partition(".")[0] for name in set(sys.modules) - before}
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        manager = tamis.configure(sinks=[f"file://{folder}/app.jsonl"], spool_folder=Path(folder) / "spool")
        log = tamis.get_logger("shop")
        ready = time.perf_counter()
        log.info("first")
        first = time.perf_counter()
        after = {name.partition(".")[0] for name in set(sys.modules) - before}
        manager.shutdown(10.0)
    print(
        json.dumps(
            {
                "import_ms": imported_ms,
                "import_cpu_ms": imported_cpu_ms,
                "configure_ms": (ready - begin) * 1e3,
                "first_us": (first - ready) * 1e6,
                "others": sorted(roots - ALLOWED - set(sys.stdlib_module_names)),
                "others_configured": sorted(after - ALLOWED - set(sys.stdlib_module_names)),
            }
        )
    )


if __name__ == "__main__":
    main()
