"""Which manifests are taken: signed by a known key, of the right name, not older than one known, not expired."""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from tamis.errors import ManifestError
from tamis.integrity.ledger.signing import Signer, is_signed_by, key_id_of
from tamis.integrity.manifest import Manifest, Signature, instant_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whose manifests are taken. `keys` are public keys (32 bytes each): one of them must have signed. Without any,
    no signature is asked for: that finds accidents, and nobody's malice.
    """

    name: str = ""
    """The name that a manifest must have; empty: any."""
    keys: tuple[bytes, ...] = ()
    keyless_from_afar: bool = True
    """Whether, where no key is named, manifests are taken from other machines all the same."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The newest manifest that was ever taken: what is older is a step back."""

    version: int = 0
    digest: str = ""


def sign_manifest(manifest: Manifest, signer: Signer) -> Manifest:
    """The manifest with one more signature, in the place of an earlier one by the same key."""
    mine = Signature(key=signer.key_id, value=signer.sign(manifest.canonical()).hex())
    others = tuple(one for one in manifest.signatures if one.key != mine.key)
    return msgspec.structs.replace(manifest, signatures=(*others, mine))


def require_trusted(manifest: Manifest, trust: Trust, *, source: str) -> None:
    """Raise ManifestError unless the manifest has the right name and the signature of a trusted key."""
    if trust.name and manifest.name != trust.name:
        raise ManifestError(
            f"{source} is foreign: it lists the files of {manifest.name!r}, not those of {trust.name!r}"
        )
    if trust.keys and not _is_signed(manifest, trust.keys):
        known = ", ".join(key_id_of(key) for key in trust.keys)
        given = ", ".join(one.key for one in manifest.signatures) or "nobody"
        raise ManifestError(f"{source} is signed by {given}, not by a trusted key ({known})")


def require_no_step_back(manifest: Manifest, known: Known, *, source: str) -> None:
    """Raise ManifestError when a newer manifest is known, or another of the same version."""
    if manifest.version < known.version:
        raise ManifestError(
            f"{source} is version {manifest.version}, older than version {known.version}, which was here before: "
            "a step back is refused"
        )
    if manifest.version == known.version and known.digest not in ("", manifest.digest()):
        raise ManifestError(
            f"{source} is version {manifest.version} like the one that was here before, but lists other files: "
            "whoever made it must give it a new version"
        )


def require_current(manifest: Manifest, now: Callable[[], int], *, source: str) -> None:
    """Raise ManifestError when it has expired: somebody may be holding back the newer one."""
    if is_expired(manifest, now()):
        raise ManifestError(f"{source} expired on {manifest.expires}; a newer one is needed")


def is_expired(manifest: Manifest, now_ns: int) -> bool:
    """Whether its time is over."""
    return manifest.expires is not None and now_ns >= instant_ns(manifest.expires)


def _is_signed(manifest: Manifest, keys: tuple[bytes, ...]) -> bool:
    data = manifest.canonical()
    by_id = {key_id_of(key): key for key in keys}
    return any(
        one.key in by_id and is_signed_by(by_id[one.key], data, bytes.fromhex(one.value))
        for one in manifest.signatures
    )
