"""Reports as JSON: written, and read back."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.validate.model import Check, Figure, Report, Shape, Suite

FORMAT = 1


def encode(report: Report) -> str:
    """The report as JSON; tests are kept by file and outcome, which takes a third of the room."""
    made = asdict(report)
    tests = made["tests"]
    by_file: dict[str, dict[str, list[str]]] = {}
    for name, outcome in sorted(tests["outcomes"].items()):
        file, _, test = name.partition("::")
        by_file.setdefault(file, {}).setdefault(outcome, []).append(test)
    tests["outcomes"] = by_file
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def decode(text: str) -> Report:
    """A report that `encode` wrote; ValueError for anything else."""
    try:
        found: dict[str, Any] = json.loads(text)
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']} is not {FORMAT}; accept a report of this release")
        tests = found["tests"]
        outcomes = {
            f"{file}::{test}": outcome
            for file, kinds in tests["outcomes"].items()
            for outcome, names in kinds.items()
            for test in names
        }
        shape = found["shape"]
        return Report(
            commit=found["commit"],
            made_at=found["made_at"],
            machine=found["machine"],
            checks=tuple(Check(**one) for one in found["checks"]),
            tests=Suite(outcomes, tests["cases"], tests["seconds"]),
            figures=tuple(Figure(**one) for one in found["figures"]),
            absent=tuple(found.get("absent", ())),
            notes=tuple(found.get("notes", ())),
            because=found["because"],
            shape=Shape(**{**shape, "clones": tuple(shape["clones"])}),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"this is no report of `make validate`: {error!r}") from None


def read(path: Path) -> Report | None:
    """The report in a file; None when there is none."""
    return decode(path.read_text(encoding="utf-8")) if path.exists() else None
