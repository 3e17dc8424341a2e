"""What a message leaf says of a shape, decided once for each shape the store knows."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tamis.query.ast import Exact, Filter, Phrase, Prefix, Regex, Substring
from tamis.query.re2 import alphabet_of, has_digit, masked_phrase_source, phrase_source, substring_source
from tamis.record.shape import MASK, shape
from tamis.record.tokens import fold, tokens
from tamis.store.embedded.ask.shape_regex import shape_regex
from tamis.store.embedded.format.tally import Tally

NO, MAYBE, YES = 0, 1, 2
"""Three-valued answers: no record of the shape, the message decides, every record of the shape."""

States = np.ndarray[Any, np.dtype[np.int8]]

LEAVES_MAX = 256
DECIDED_BYTES_MAX = 16 << 20
SHAPES_MAX = 1_000_000

MessageLeaf = Phrase | Prefix | Substring | Exact | Regex


class ShapeIndex:
    """The shapes of every part that was read, in order of first sight, and decisions over them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._reset()

    def _reset(self) -> None:
        self._generation = object()
        self._places: dict[int, int] = {}
        self._texts: list[str] = []
        self._decided: OrderedDict[MessageLeaf, States] = OrderedDict()

    def states(self, leaf: MessageLeaf, tally: Tally) -> States:
        """For each shape of the tally: what the leaf says of it."""
        with self._lock:
            places = self._add(tally)
            decided = self._decided.get(leaf)
            done = 0 if decided is None else len(decided)
            if done < len(self._texts):
                fresh = decide_shapes(leaf, self._texts[done:])
                decided = fresh if decided is None else np.concatenate([decided, fresh])
                self._decided[leaf] = decided
            assert decided is not None
            self._decided.move_to_end(leaf)
            self._forget_some()
            states: States = decided[places]
            return states

    def _forget_some(self) -> None:
        """The leaves asked for longest ago go when there are too many, or when they take too much memory."""
        most = min(LEAVES_MAX, max(DECIDED_BYTES_MAX // max(len(self._texts), 1), 1))
        while len(self._decided) > most:
            self._decided.popitem(last=False)

    def _add(self, tally: Tally) -> np.ndarray[Any, np.dtype[np.int64]]:
        if len(self._texts) > SHAPES_MAX:
            self._reset()
        known_places = tally.places.get(self._generation)
        if known_places is None:
            tally.places.clear()
            known_places = tally.places[self._generation] = self._places_for(tally)
        return known_places

    def _places_for(self, tally: Tally) -> np.ndarray[Any, np.dtype[np.int64]]:
        places = np.empty(len(tally.shape_ids), np.int64)
        for place, (number, text) in enumerate(zip(tally.shape_ids.tolist(), tally.shapes, strict=True)):
            known = self._places.get(number)
            if known is None:
                known = self._places[number] = len(self._texts)
                self._texts.append(text)
            places[place] = known
        return places


def decide_shapes(leaf: MessageLeaf, shapes: Sequence[str]) -> States:
    """The leaf decided for shapes: agrees with `query.match` on every message of the shape where it is not MAYBE."""
    column = pa.array(shapes, pa.string())
    alphabet = alphabet_of(shapes)
    masked = _bools(pc.match_substring(column, MASK))
    match leaf:
        case Phrase() | Prefix() if tokens(leaf.text):
            return _decide_tokens(leaf, column, masked, alphabet)
        case Phrase() | Prefix() | Substring():
            return _decide_substring(fold(leaf.text), column, masked, alphabet)
        case Exact():
            return _decide_exact(leaf.text, column, masked)
        case Regex():
            return _decide_regex(leaf.pattern, column, masked)


def _decide_tokens(leaf: Phrase | Prefix, column: pa.Array, masked: Any, alphabet: str | None) -> States:
    words = tokens(leaf.text)
    prefix = isinstance(leaf, Prefix)
    if any(has_digit(word) for word in words):
        return _decide_masked(words, column, masked, alphabet, prefix=prefix)
    loose = _found(column, phrase_source(words, alphabet, prefix=prefix))
    strict = loose
    if len(words) > 1:
        strict = _found(column, phrase_source(words, alphabet, prefix=prefix, gap_without="<"))
    sure = strict | (loose & ~masked)
    possible = loose | (masked if prefix else False)
    return np.where(sure, YES, np.where(possible, MAYBE, NO)).astype(np.int8)


def _decide_masked(
    words: list[str], column: pa.Array, masked: Any, alphabet: str | None, *, prefix: bool
) -> States:
    """Words with digits stand masked in a shape: it can only say which messages to look at."""
    if prefix:
        return np.where(masked, MAYBE, NO).astype(np.int8)
    possible = _found(column, masked_phrase_source(words, alphabet))
    return np.where(possible, MAYBE, NO).astype(np.int8)


def _decide_substring(folded: str, column: pa.Array, masked: Any, alphabet: str | None) -> States:
    found = _found(column, substring_source(folded, alphabet))
    sure = found & ~masked if set(folded) & set(MASK) else found
    return np.where(sure, YES, np.where(masked, MAYBE, NO)).astype(np.int8)


def _decide_exact(text: str, column: pa.Array, masked: Any) -> States:
    same = _bools(pc.equal(column, shape(text)))
    return np.where(same & masked, MAYBE, np.where(same & _bools(pc.equal(column, text)), YES, NO)).astype(
        np.int8
    )


def _decide_regex(pattern: str, column: pa.Array, masked: Any) -> States:
    rewritten = shape_regex(pattern)
    possible = masked if rewritten is None else masked & _found(column, rewritten)
    sure = ~masked & _found(column, pattern)
    return np.where(sure, YES, np.where(possible, MAYBE, NO)).astype(np.int8)


def _found(column: pa.Array, pattern: str) -> Any:
    return _bools(pc.match_substring_regex(column, pattern))


def _bools(array: pa.Array) -> Any:
    return array.to_numpy(zero_copy_only=False).astype(bool)


def is_message_leaf(leaf: Filter) -> bool:
    """Whether shapes may decide it."""
    return isinstance(leaf, (Phrase, Prefix, Substring, Exact, Regex)) and leaf.field == "message"
