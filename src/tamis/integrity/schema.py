"""The JSON Schema of manifests, made from the structs that read them; `manifest.schema.json` beside this file is it."""

from pathlib import Path
from typing import Any, Final

import msgspec

from tamis.integrity.manifest import Manifest

PLACE: Final = Path(__file__).with_name("manifest.schema.json")
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def manifest_schema() -> dict[str, Any]:
    """The schema (draft 2020-12). What it cannot say: paths stand for different files on every system and lead nowhere
    else, chunks come to the size of their file, and signatures are true.
    """
    return {"$schema": DIALECT, "title": "Tamis manifest", **msgspec.json.schema(Manifest)}


def schema_text() -> str:
    """The schema as its file has it."""
    return msgspec.json.format(msgspec.json.encode(manifest_schema()), indent=2).decode("utf-8") + "\n"
