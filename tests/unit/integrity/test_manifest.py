"""Manifests: what is read, what is refused, what is signed."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.disk.real import RealDisk
from tamis.errors import ManifestError
from tamis.integrity.manifest import FileEntry, Manifest, parse_manifest, print_manifest
from tamis.integrity.paths import require_distinct, require_inside, require_path
from tamis.integrity.publish import make_manifest, publish
from tamis.integrity.schema import PLACE, manifest_schema, schema_text
from tamis.integrity.trust import (
    Known,
    Trust,
    require_current,
    require_no_step_back,
    require_trusted,
    sign_manifest,
)
from tests.support.hand_clock import HandClock
from tests.support.mirror_places import CONTENT, EDITION, SIGNER, STRANGER, TRUST, fill, make_mirror

ZEROS = "sha256-" + "0" * 64


def entry(path: str, **more: Any) -> dict[str, Any]:
    return {
        "path": path,
        "sha256": ZEROS,
        "size": 0,
        "version": "1",
        "required": True,
        "changes": [],
        "chunks": [],
        **more,
    }


def plain(*files: dict[str, Any], **more: Any) -> bytes:
    head = {"format": "tamis-manifest-1", "name": "x", "version": 1, "created": "2026-01-01T00:00:00Z"}
    return json.dumps({**head, "files": list(files), **more}).encode()


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """One that is signed."""
    return make_mirror(tmp_path / "mirror")


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "C:/x", "C:x", "a\\b", "\\\\host\\x",
        "a\x00b", "a\nb", "nul", "a/CON.txt", "com1", "a ", " a/b", "a.", "a/b./c", "e\u0301", "a\u202eb", "a*",
        "x" * 600, ".tamis/known.json", "a/.TAMIS-x.part", ".tamis-1.tmp",
    ],
)  # fmt: skip
def test_paths_that_lead_elsewhere_or_mean_another_file_elsewhere_are_refused(path: str) -> None:
    """Out of the folder, absolute, of Windows, invisible, our own: on no system is anything written there."""
    with pytest.raises(ManifestError):
        require_path(path)
    with pytest.raises(ManifestError):
        parse_manifest(plain(entry(path)), "it")


@pytest.mark.parametrize(
    "path", ["a", "a/b.bin", "ä/ß.txt", "a b/c", ".hidden", "console.txt", "日本/x", "a..b"]
)
def test_plain_paths_are_taken(path: str) -> None:
    """In any language."""
    assert parse_manifest(plain(entry(path)), "it").files[0].path == path


@pytest.mark.parametrize(
    "paths",
    [
        ("a", "a"), ("a", "A"), ("straße", "STRASSE"), ("x/Readme", "x/README"),
        ("a", "a/b"), ("A", "a/b"), ("manifest.json",), ("Manifest.JSON",), ("manifest.json/x",),
    ],
)  # fmt: skip
def test_paths_that_cannot_stand_side_by_side_are_refused(paths: tuple[str, ...]) -> None:
    """Twice, differing in case alone, beneath a file, in the place of the manifest."""
    with pytest.raises(ManifestError, match="path"):
        parse_manifest(plain(*map(entry, paths)), "it")


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=6))
def test_whatever_is_taken_stays_within_its_folder(paths: list[str]) -> None:
    """No text that passes leads out of the folder, and no two name one file."""
    taken = []
    for path in paths:
        try:
            require_path(path)
        except ManifestError:
            continue
        taken.append(path)
        place = require_inside(Path("/nowhere/folder"), path)
        assert place.resolve().is_relative_to("/nowhere/folder")
    try:
        require_distinct(taken)
    except ManifestError:
        return
    assert len({path.casefold() for path in taken}) == len(taken)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (b"{", "manifest"), (b"[]", "manifest"), (b"\xff", "manifest"), (b"[" * 100_000, "manifest"),
        (plain(entry("a"), format="tamis-manifest-2"), "newer"),
        (plain(entry("a"), format="else"), "format"),
        (plain(entry("a"), extra=1), "extra"),
        (plain(entry("a", extra=1)), "extra"),
        (plain(entry("a", sha256="0" * 64)), "sha256"),
        (plain(entry("a", sha256="sha256-" + "A" * 64)), "sha256"),
        (plain(entry("a", size=-1)), "size"),
        (plain(entry("a", size=1.5)), "size"),
        (plain(entry("a", size=2, chunks=[[1, "0" * 64]])), "chunks"),
        (plain(entry("a", size=2, chunks=[[0, "0" * 64], [2, "0" * 64]])), "chunks"),
        (plain(entry("a"), version=0), "version"),
        (plain(entry("a"), created="yesterday"), "created"),
        (plain(entry("a"), created="2026-13-45T00:00:00Z"), "instant"),
        (plain({"path": "a"}), "sha256"),
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_refused_with_its_name(change: bytes, word: str) -> None:
    """Torn, of another kind, with what nobody knows, with what cannot be: a sentence that names the source."""
    with pytest.raises(ManifestError, match=word) as told:
        parse_manifest(change, "mirror 7")
    assert "mirror 7" in str(told.value)


def test_a_manifest_is_what_was_printed(manifest: Manifest) -> None:
    """And what is signed depends on what it says, not on how it is laid out."""
    assert parse_manifest(print_manifest(manifest), "it") == manifest
    otherwise = json.dumps(json.loads(print_manifest(manifest)), indent=3, sort_keys=True).encode()
    again = parse_manifest(otherwise, "it")
    assert again.canonical() == manifest.canonical()
    require_trusted(again, TRUST, source="it")


def test_every_change_of_what_it_says_breaks_the_signature(manifest: Manifest) -> None:
    """Each value of the manifest and of its files, one after the other."""
    first, *others = manifest.files
    other = {
        "path": "x", "sha256": ZEROS, "size": 9, "version": "9", "required": not first.required, "part": "x",
        "without": "x", "changes": (), "chunks": ((9, "0" * 64),),
    }  # fmt: skip
    assert set(other) == set(FileEntry.__struct_fields__)
    for name, value in other.items():
        files = (msgspec.structs.replace(first, **{name: value}), *others)
        with pytest.raises(ManifestError, match="signed"):
            require_trusted(msgspec.structs.replace(manifest, files=files), TRUST, source="it")
    for name, changed in (
        ("version", 9),
        ("created", "2020-01-01T00:00:00Z"),
        ("expires", "2030-01-01T00:00:00Z"),
    ):
        with pytest.raises(ManifestError, match="signed"):
            require_trusted(msgspec.structs.replace(manifest, **{name: changed}), TRUST, source="it")


def test_only_trusted_keys_count(manifest: Manifest) -> None:
    """Unsigned, signed by a stranger, by a stranger in a known key's name: refused; of several, one is enough."""
    bare = msgspec.structs.replace(manifest, signatures=())
    foreign = sign_manifest(bare, STRANGER)
    forged = msgspec.structs.replace(foreign.signatures[0], key=SIGNER.key_id)
    for one in (bare, foreign, msgspec.structs.replace(bare, signatures=(forged,))):
        with pytest.raises(ManifestError, match="not by a trusted key"):
            require_trusted(one, TRUST, source="it")
    require_trusted(sign_manifest(foreign, SIGNER), TRUST, source="it")
    require_trusted(foreign, Trust(), source="it")


def test_other_files_are_foreign(manifest: Manifest) -> None:
    """A signature for one set of files is none for another."""
    with pytest.raises(ManifestError, match="foreign"):
        require_trusted(manifest, Trust(name="other", keys=TRUST.keys), source="it")


def test_a_step_back_is_refused(manifest: Manifest) -> None:
    """Older than one known, and other files under a known version."""
    require_no_step_back(manifest, Known(version=1, digest=manifest.digest()), source="it")
    with pytest.raises(ManifestError, match="older than version 2"):
        require_no_step_back(manifest, Known(version=2, digest="x"), source="it")
    with pytest.raises(ManifestError, match="lists other files"):
        require_no_step_back(manifest, Known(version=1, digest="x"), source="it")


def test_an_expired_manifest_is_not_taken(tmp_path: Path) -> None:
    """From the very second on."""
    clock = HandClock()
    manifest = make_mirror(tmp_path / "m", edition=replace(EDITION, valid_s=60.0), clock=clock)
    clock.pass_s(59)
    require_current(manifest, clock.now_ns, source="it")
    clock.pass_s(1)
    with pytest.raises(ManifestError, match="expired on 2026"):
        require_current(manifest, clock.now_ns, source="it")


def test_publishing_again_tells_what_changed(tmp_path: Path) -> None:
    """The version grows only when there is news; a file keeps its own version and log until its bytes change."""
    folder = tmp_path / "m"
    first = make_mirror(folder)
    assert make_mirror(folder).version == 1
    (folder / "empty.txt").write_bytes(b"now it is not")
    edition = replace(EDITION, release="1.1", change="says something")
    second = publish(folder, edition, signer=SIGNER, clock=HandClock())
    assert (first.version, second.version) == (1, 2)
    by_path = second.by_path()
    assert by_path["models/big.bin"].version == "1.0"
    assert [line.text for line in by_path["empty.txt"].changes] == ["says something", "new"]
    require_trusted(second, TRUST, source="it")


def test_links_are_not_published(tmp_path: Path) -> None:
    """Nobody could keep them."""
    fill(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "empty.txt")
    with pytest.raises(ManifestError, match="symbolic link"):
        publish(tmp_path, EDITION)


def test_files_that_could_not_be_kept_elsewhere_are_not_published(tmp_path: Path) -> None:
    """Two names that differ in case alone."""
    fill(tmp_path, {"Read.me": b"1", "read.me": b"2"})
    with pytest.raises(ManifestError, match="same name"):
        make_manifest(RealDisk(), tmp_path, EDITION, before=None, now_ns=0)


def test_the_schema_that_ships_is_what_is_read() -> None:
    """The published schema and the reader cannot drift apart."""
    assert PLACE.read_text(encoding="utf-8") == schema_text(), "run: make docs"


def test_the_schema_says_yes_to_what_is_written_and_no_to_what_is_not(manifest: Manifest) -> None:
    """Judged by a reader of the schema alone, written here for the words that it uses."""
    schema = manifest_schema()
    good = json.loads(print_manifest(manifest))
    assert judge(schema, schema, good) == []
    for wrong in (
        {**good, "extra": 1},
        {key: value for key, value in good.items() if key != "files"},
        {**good, "version": 0},
        {**good, "format": "tamis-manifest-2"},
        {**good, "files": [{**good["files"][0], "chunks": [[1]]}]},
        {**good, "files": [{**good["files"][0], "sha256": "0"}]},
        {**good, "files": [{**good["files"][0], "path": ""}]},
    ):
        assert judge(schema, schema, wrong) != []


TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
KNOWN = {
    "$schema", "$defs", "$ref", "title", "description", "default", "type", "properties", "required", "enum", "anyOf",
    "additionalProperties", "items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength", "pattern",
    "minimum", "maximum",
}  # fmt: skip


def judge(root: dict[str, Any], schema: Any, value: Any) -> list[str]:
    """Where a value is not as a schema says (those words of draft 2020-12 that ours uses)."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema:
        return judge(root, root["$defs"][schema["$ref"].rpartition("/")[2]], value)
    if "anyOf" in schema:
        return [] if any(not judge(root, one, value) for one in schema["anyOf"]) else ["anyOf"]
    if "enum" in schema:
        return [] if value in schema["enum"] else ["enum"]
    kind = TYPES[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return [f"{value!r:.40} is no {schema['type']}"]
    wrong = []
    if isinstance(value, str):
        wrong += ["pattern"] * (not re.search(schema.get("pattern", ""), value))
        wrong += ["length"] * (
            not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 1 << 30)
        )
    elif isinstance(value, int):
        wrong += ["size"] * (not schema.get("minimum", value) <= value <= schema.get("maximum", value))
    elif isinstance(value, list):
        wrong += ["items"] * (not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 1 << 30))
        parts = schema.get("prefixItems") or [schema["items"]] * len(value)
        wrong += [bad for part, one in zip(parts, value, strict=False) for bad in judge(root, part, one)]
    elif isinstance(value, dict):
        wrong += [f"{name} is missing" for name in schema["required"] if name not in value]
        wrong += [f"{name} is unknown" for name in value if name not in schema["properties"]]
        wrong += [
            bad
            for name, one in value.items()
            if name in schema["properties"]
            for bad in judge(root, schema["properties"][name], one)
        ]
    return wrong


def test_what_fills_a_mirror_is_listed(manifest: Manifest) -> None:
    """Every file of it, with its size."""
    assert {one.path: one.size for one in manifest.files} == {
        path: len(data) for path, data in CONTENT.items()
    }
