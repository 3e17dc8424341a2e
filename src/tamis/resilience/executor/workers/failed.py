"""An error on its way from the process where it was raised: with its facts, as many of them as can travel."""

import os
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

_REDUCES = frozenset({"__reduce__", "__reduce_ex__", "__getstate__", "__setstate__"})
_STAYS = frozenset({"args", "obj"})
"""What travels otherwise, and what an AttributeError was raised about: it may be anything, of any size."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An error as it travels: its parts, because many errors cannot be pickled as they are, and in the form that its
    class has made for pickle, where it has.
    """

    told: str
    trace: str
    parts: bytes | None
    whole: bytes | None

    def error(self) -> BaseException:
        """The error itself, with the traceback from there as a note; in words alone where it cannot be built."""
        try:
            made = _built(self.parts, self.whole)
        except Exception:  # an error's own code: it may raise what it likes
            made = RuntimeError(self.told)
        made.add_note(self.trace)
        return made


def failed_of(error: BaseException) -> Failed:
    """What to send for an error; raises nothing."""
    try:
        told = f"{type(error).__name__}: {error}"
    except Exception:  # an error's own code, as above
        told = type(error).__name__
    trace = f"in process {os.getpid()}:\n" + "".join(traceback.format_exception(error)).rstrip()
    state, members = _that_travel(dict(error.__dict__)), _that_travel(_members(error))
    parts = _travelling((type(error), error.args, state, members))
    has_form = any(not _REDUCES.isdisjoint(vars(kind)) for kind in _own_classes(error))
    return Failed(told, trace, parts, _travelling(error) if has_form else None)


def _built(parts: bytes | None, whole: bytes | None) -> BaseException:
    if parts is None:
        raise ValueError("there is nothing to build it from")
    kind, args, state, members = loaded(parts)
    if whole is not None and type(made := loaded(whole)) is kind:
        made.__dict__.update(state)
        return made  # type: ignore[no-any-return]  # what has the type of an error is one
    built: BaseException = kind.__new__(kind, *args)
    built.args = args
    built.__dict__.update(state)
    for name, value in members.items():
        with suppress(AttributeError, TypeError):  # read-only: made of the arguments
            object.__setattr__(built, name, value)
    return built


def _members(error: BaseException) -> dict[str, Any]:
    """What it holds outside of its dictionary: slots, and the fields of built-in errors."""
    found = {}
    for kind in type(error).__mro__:
        for name, kept in vars(kind).items():
            if not isinstance(kept, MemberDescriptorType | GetSetDescriptorType) or name.startswith("__"):
                continue
            with suppress(AttributeError):  # it was never set
                value = getattr(error, name)
                if value is not None or kind.__module__ != "builtins":  # there None is what was never set
                    found[name] = value
    return {name: value for name, value in found.items() if name not in _STAYS}


def _own_classes(error: BaseException) -> list[type]:
    return [kind for kind in type(error).__mro__ if kind.__module__ != "builtins"]


def _that_travel(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if _travelling(value) is not None}


def loaded(sent: bytes) -> Any:
    """What the process at the other end of a pipe of ours has sent."""
    return ForkingPickler.loads(sent)  # as the pipe itself reads: both are processes of one program


def _travelling(value: Any) -> bytes | None:
    """As pickle sends it; None when that cannot be, or not be read."""
    try:
        sent = bytes(ForkingPickler.dumps(value))
        loaded(sent)
    except Exception:  # pickle raises what it likes
        return None
    return sent
