"""What a repair did, and what it could not."""

from dataclasses import dataclass

COUNTED_ANEW = "counted anew from the records"
PUT_RIGHT = "somebody put it right"


@dataclass(frozen=True, slots=True)
class Mended:
    """A file (or a run of records) that is whole again, and how."""

    path: str
    how: str
    records: int | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """What is still lost: the sentence that answers carry as a warning. `records` None: nobody knows how many."""

    path: str
    problem: str
    records: int | None = None


@dataclass(frozen=True, slots=True)
class Repaired:
    """The outcome of a repair. `problems` is what other places refused; `quarantined` are files set apart."""

    mended: tuple[Mended, ...] = ()
    missing: tuple[Missing, ...] = ()
    accepted: tuple[Missing, ...] = ()
    quarantined: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing (any more, or that nobody took note of)."""
        return not self.missing
