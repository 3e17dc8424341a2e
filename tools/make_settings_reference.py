"""Write docs/reference/settings.md from the table of settings."""

from collections.abc import Iterator
from pathlib import Path

from tamis.settings import TABLE, Row
from tamis.settings.load import OTHER_NAMES
from tamis.settings.table import PARTS

PLACE = Path(__file__).resolve().parents[1] / "docs/reference/settings.md"
HEAD = """\
# Settings

<!-- Written by `make docs` from the table in src/tamis/settings. -->

Every setting has one value, from the first of these that says something:

1. an argument of the command line,
2. the environment, `TAMIS_<PART>_<FIELD>` (an empty variable counts as not set),
3. the TOML file that `--config` or `TAMIS_CONFIG` names, a table for each part,
4. the default below.

`tamis check-config` prints what each setting comes to, and from where. A wrong value, and a name in the file
that is no setting, is an error with key, value and source; a `TAMIS_` name in the environment that is no
setting is a warning.

```toml
[server]
port = 4817
body_bytes_max = "64MiB"

[store]
retention_age_s = "90d"
retention = [{ query = "level:debug", keep = "3d" }]
```

| type | looks like |
|---|---|
| int, float | `4817`, `1_000_000`, `2.5` |
| bool | `true`, `false`; in the environment also `yes`, `no`, `on`, `off`, `1`, `0` |
| bytes | `65536`, `64KiB` = 65,536, `100MB` = 100,000,000, `1.5GiB`; `off` is 0 |
| duration | seconds as a number, or `250ms`, `30s`, `5m`, `1h30m`, `3d`, `2w`; `off` is 0 |
| list | a list of texts; in the environment one text with commas between |
| list of kinds | a list of these names |
| regular expressions | a list of texts; in the environment one expression, or a list as JSON |
| rules | a list of tables with `query` and `keep`; in the environment the same as JSON |
| path | `~` is the home folder; empty is none |
"""
OTHERS = """
These names in the environment are no settings:

| name | what it is |
|---|---|
"""


def reference() -> str:
    """The whole page."""
    others = "".join(f"| `{name}` | {doc} |\n" for name, doc in OTHER_NAMES.items())
    return (
        HEAD
        + OTHERS
        + others
        + "".join(_part(part, (cls.__doc__ or "").strip()) for part, cls in PARTS.items())
    )


def _part(part: str, doc: str) -> str:
    return "\n".join(["", f"## {part}", "", doc, "", *_table(part), ""])


def _table(part: str) -> Iterator[str]:
    yield "| setting | type | default | what it is |"
    yield "|---|---|---|---|"
    for row in TABLE.values():
        if row.key.startswith(f"{part}."):
            yield _line(row)


def _line(row: Row) -> str:
    default = f"`{row.shown_default}`" if row.shown_default else ""
    secret = " Secret: never shown." if row.secret else ""
    doc = row.doc.replace("|", "\\|")
    return f"| `{row.key}`<br>`{row.environment}` | {row.kind.name} | {default} | {doc}{secret} |"


if __name__ == "__main__":
    PLACE.parent.mkdir(parents=True, exist_ok=True)
    PLACE.write_text(reference(), encoding="utf-8")
