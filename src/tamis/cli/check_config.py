"""``tamis check-config``: what the settings come to, and from where."""

from pathlib import Path

import msgspec

from tamis.cli.options import Flag
from tamis.cli.show.tables import print_table
from tamis.cli.terminal import print_json, warn
from tamis.pipeline.build import check_settings
from tamis.settings import load_settings


def check_config(
    *,
    config: Path | None = None,
    changed: Flag = False,
    json: Flag = False,
) -> None:
    """Show every setting with its value and where that came from. A wrong one is named, with exit code 2.

    Parameters
    ----------
    config
        The TOML file; else the one that TAMIS_CONFIG names.
    changed
        Only what is not the default.
    json
        As JSON.
    """
    settings = load_settings(toml_path=config)
    check_settings(settings)
    rows = [row for row in settings.resolved() if not changed or row.source != "default"]
    warn(settings.warnings)
    if json:
        print_json({"settings": msgspec.to_builtins(rows), "warnings": list(settings.warnings)})
    else:
        print_table(
            ("setting", "value", "source"), [(row.key, row.value, row.source) for row in rows], bars=False
        )
