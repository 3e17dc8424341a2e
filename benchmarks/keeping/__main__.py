"""Measure some parts of it anew: `python -m benchmarks.keeping breaker cache`; without a name, all."""

import argparse
import tempfile
from pathlib import Path

from benchmarks.keeping import page


def main() -> None:
    """Measure, and write the page."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.keeping", description=__doc__)
    made.add_argument("parts", nargs="*", help=f"of {', '.join(page.TITLES)}")
    default = Path(tempfile.gettempdir()) / "tamis-benchmarks"
    made.add_argument("--work", type=Path, default=default, help="folder for data and figures")
    given = made.parse_args()
    absent = [name for name in given.parts if name not in page.parts()]
    if absent:
        made.error(f"there is no part {', '.join(absent)}; there are {', '.join(page.parts())}")
    page.run(given.work / "keeping", given.parts)


if __name__ == "__main__":
    main()
