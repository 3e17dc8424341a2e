"""``tamis doctor``: what is wrong on this machine, and what to do about it."""

from pathlib import Path

import msgspec

from tamis.cli.failure import Exit
from tamis.cli.health.base import Check, Finding, Patient
from tamis.cli.health.folder import check_port, check_rights, check_room, check_settings, check_store
from tamis.cli.health.machine import (
    check_clock,
    check_libraries,
    check_memory,
    check_open_files,
    check_python,
)
from tamis.cli.options import Flag
from tamis.cli.terminal import out, print_json, visible
from tamis.errors import ConfigError
from tamis.settings import Settings, load_settings

CHECKS: tuple[Check, ...] = (
    check_python,
    check_libraries,
    check_settings,
    check_clock,
    check_open_files,
    check_memory,
    check_rights,
    check_room,
    check_port,
    check_store,
)
_STYLES = {"ok": "green", "warn": "yellow", "bad": "bold red"}


def doctor(
    *,
    data: Path | None = None,
    config: Path | None = None,
    json: Flag = False,
) -> int:
    """Look for what is wrong on this machine. Exits with 1 when anything is bad.

    Parameters
    ----------
    data
        The data folder; else the one of the settings.
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    json
        The findings as JSON.
    """
    findings = examine(data, config)
    if json:
        print_json({"findings": msgspec.to_builtins(findings)})
    else:
        for one in findings:
            _print(one)
    return int(Exit.FOUND if any(one.state == "bad" for one in findings) else Exit.DONE)


def examine(data: Path | None = None, config: Path | None = None) -> list[Finding]:
    """What every check finds; a check that fails itself is a finding."""
    findings = []
    try:
        settings = load_settings(toml_path=config)
    except ConfigError as error:
        findings.append(Finding("settings", "bad", str(error), "correct it; the defaults are looked at now"))
        settings = Settings()
    patient = Patient(settings, (data or settings.server.data).expanduser())
    for check in CHECKS:
        try:
            findings += check(patient)
        except OSError as error:
            name = check.__name__.removeprefix("check_").replace("_", " ")
            findings.append(Finding(name, "bad", str(error), "see that this user may look there"))
    return findings


def _print(finding: Finding) -> None:
    from rich.text import Text

    line = Text.assemble(
        (f"{finding.state:5}", _STYLES[finding.state]), f"{finding.what}: {visible(finding.detail)}"
    )
    if finding.advice and finding.state != "ok":
        line.append(f"\n     → {finding.advice}", style="bold")
    out().print(line, soft_wrap=True)
