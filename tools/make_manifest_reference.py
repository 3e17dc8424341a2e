"""Write docs/reference/manifest.md and the JSON Schema that ships, from the structs that read manifests; and the
manifest of what ships.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tamis.integrity.publish import publish
from tamis.integrity.schema import PLACE as SCHEMA
from tamis.integrity.schema import manifest_schema, schema_text
from tamis.server.assets import EDITION, SHIPPED

PLACE = Path(__file__).resolve().parents[1] / "docs/reference/manifest.md"
HEAD = """\
# Manifests

<!-- Written by `make docs` from src/tamis/integrity/manifest.py. -->

A `manifest.json` lists files that belong together, so that each byte of them can be checked and what is missing can be
had from elsewhere. `tamis.StorageManager` keeps a folder by it ([how](../how-to/keep-files-whole.md)); a Tamis server
keeps its own assets by one.

```json
{"format": "tamis-manifest-1", "name": "shop", "version": 7, "created": "2026-11-21T12:00:00Z", "expires": null,
 "files": [
  {"path": "models/words.bin", "sha256": "sha256-9f86…0a08", "size": 125829120, "version": "1.4", "required": true,
   "part": "search by meaning", "without": "words are searched",
   "changes": [{"version": "1.4", "at": "2026-11-21T12:00:00Z", "text": "trained on more words"}],
   "chunks": [[71794, "6fd1…41ce"], [118188, "0b7a…9d25"]]}],
 "signatures": [{"key": "1f0c…e2", "value": "58…0f"}]}
```

## Fields

A key that is not listed here is refused, because nobody could say what was signed.

"""
TAIL = """\
## Paths

Relative, with slashes, the same file on every system: no `.` or `..`, no empty part, none of `< > : " | ? * \\` and
control characters, no name of a device (`con`, `nul`…), no blank at the end of a part and no dot, Unicode NFC. No two
that differ in case alone, no file beneath a file. Names that begin with `.tamis` are Tamis' own. A link is never
followed, neither where files are listed nor where they are kept.

## Signatures

What is signed is the line `tamis manifest`, a line feed, and the canonical form: the manifest without `signatures`,
every other key with its value (also one that was left out, with its default), as JSON with sorted keys, no blanks and
in UTF-8 (RFC 8785). The signature is Ed25519 (RFC 8032); `key` is the begin of the SHA-256 of the public key. Several
may stand side by side while a key is replaced; one of a trusted key is enough.

A manifest is taken from a mirror when it has the name that is wanted, the signature of a trusted key where keys are
named, a version that is not older than any that was taken before (nor the same with another content), and has not
expired. One that is in force stays in force when it expires: nobody here has a newer one.

## Chunks

Content-defined (FastCDC, 16 to 256 KiB, 80 KiB on average): where a file is cut depends on the bytes there, so that a
change in one place leaves the other chunks as they were. Only digests are compared; other cuts are as right. A file
without chunks is fetched whole.

## JSON Schema

It ships as `tamis/integrity/manifest.schema.json`:

```json
"""


def reference() -> str:
    """The whole page."""
    definitions = manifest_schema()["$defs"]
    tables = "".join("\n".join([*_table(name, definitions[name]), "\n"]) for name in definitions)
    return HEAD + tables + TAIL + schema_text() + "```\n"


def _table(name: str, definition: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{definition['description']}\n"
    yield "| key | type | what it is |"
    yield "|---|---|---|"
    for key, facts in definition["properties"].items():
        needed = key in definition["required"]
        says = [facts.get("description", ""), *([] if needed else [_default(facts)])]
        yield f"| `{key}` | {_kind(facts)} | {'; '.join(filter(None, says))} |"


def _kind(facts: dict[str, Any]) -> str:
    if "enum" in facts:
        return ", ".join(f"`{value}`" for value in facts["enum"])
    if "anyOf" in facts:
        return " or ".join(_kind(one) for one in facts["anyOf"])
    if facts["type"] == "array":
        inner = facts["items"].get("$ref", "").rpartition("/")[2] or "`[length, sha256]`"
        return f"list of {inner}"
    return str(facts["type"])


def _default(facts: dict[str, Any]) -> str:
    return f"may be left out (`{json.dumps(facts['default'])}`)"


if __name__ == "__main__":
    PLACE.write_text(reference(), encoding="utf-8")
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    publish(SHIPPED, EDITION)
