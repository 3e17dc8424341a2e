"""``tamis verify``: whether a data folder is whole. It looks and changes nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tamis.cli.failure import Exit, UsageError
from tamis.cli.options import Flag
from tamis.cli.terminal import print_json, visible

if TYPE_CHECKING:
    from tamis.store.embedded.recovery.verify import Report


def verify(
    folder: Path,
    /,
    *,
    quick: Flag = False,
    json: Flag = False,
) -> int:
    """Check that a data folder is whole: manifest, segments, journal. A server may be running on it.

    Exits with 1 when anything is not as it was written.

    Parameters
    ----------
    folder
        The data folder.
    quick
        Look at sizes only; without it every byte is read and compared with its digest.
    json
        The report as JSON.
    """
    from tamis.store.embedded.recovery.verify import verify as look

    if not folder.is_dir():
        raise UsageError(f"{folder}: there is no such folder")
    report = look(folder, full=not quick)
    if json:
        print_json({"whole": report.is_whole, **msgspec.to_builtins(report)})
    else:
        _print(folder, report)
    return int(Exit.DONE if report.is_whole else Exit.FOUND)


def _print(folder: Path, report: "Report") -> None:
    for note in report.notes:
        print(visible(f"note     {note}"))
    for finding in report.findings:
        lost = "" if finding.records is None else f" ({finding.records:,} records)"
        print(visible(f"damaged  {finding.sentence}{lost}"))
    state = "whole" if report.is_whole else f"{len(report.findings):,} things are damaged"
    print(
        f"{folder}: {state}; {report.records + report.journal_records:,} records: "
        f"{report.records:,} in {report.segments:,} segments ({report.bytes:,} bytes), "
        f"{report.journal_records:,} in the journal ({report.journal_bytes:,} bytes)"
    )
