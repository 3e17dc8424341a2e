"""What a look at a storage found, and what was done about it."""

from enum import StrEnum

import msgspec


class StorageState(StrEnum):
    """Whether everything that is required is whole."""

    READY = "ready"
    DEGRADED = "degraded"


class FileFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is not as its manifest says. `part` is what needs it."""

    path: str
    problem: str
    required: bool
    part: str = ""

    @property
    def sentence(self) -> str:
        """The file and what is wrong with it."""
        return f"{self.path} {self.problem}"


class DegradedMode(msgspec.Struct, frozen=True, kw_only=True):
    """What does not work without the files that are not whole, and what works all the same."""

    name: str
    text: str


class StorageReport(msgspec.Struct, frozen=True, kw_only=True):
    """A storage as it is now. `findings` are still so; `mended` were made whole just now, `removed` belonged to the
    version before. `notes` are worth knowing and nothing to mend.
    """

    state: StorageState
    version: int
    files: int
    bytes: int
    findings: tuple[FileFinding, ...] = ()
    modes: tuple[DegradedMode, ...] = ()
    mended: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bytes_fetched: int = 0
    """Bytes that came from mirrors."""
    bytes_reused: int = 0
    """Bytes that were in other files here already."""

    @property
    def is_whole(self) -> bool:
        """Whether every file is as it should be, required or not."""
        return not self.findings and self.state is StorageState.READY


def modes_of(
    name: str, findings: tuple[FileFinding, ...], without: dict[str, str]
) -> tuple[DegradedMode, ...]:
    """The degraded modes that required files leave: a sentence for each part. `without` says, by path, what still
    works; `name` is the part of files that name none.
    """
    parts: dict[str, list[FileFinding]] = {}
    for finding in findings:
        if finding.required:
            parts.setdefault(finding.part or name, []).append(finding)
    return tuple(DegradedMode(name=part, text=_text(wrong, without)) for part, wrong in parts.items())


_NAMED_MAX = 3
_USUAL = "what does not need it works"


def _text(wrong: list[FileFinding], without: dict[str, str]) -> str:
    named = "; ".join(one.sentence for one in wrong[:_NAMED_MAX])
    more = f"; and {len(wrong) - _NAMED_MAX} more files" if len(wrong) > _NAMED_MAX else ""
    still = next((without[one.path] for one in wrong if without.get(one.path)), _USUAL)
    return f"{named}{more}. Still works: {still}"
