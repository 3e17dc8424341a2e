"""Who called whom: the ways by which measured functions were reached, each known once."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from tamis.telemetry.profiler.book import Book

DEEPER = "(further ways)"
"""Where calls stand that were reached by one way too many."""


class Node:
    """A function as it was reached one way. `own_ns` is of all its calls there, without measured calls inside them."""

    __slots__ = ("book", "children", "name", "own_ns", "parent")

    def __init__(self, name: str, parent: Optional["Node"], book: Optional["Book"] = None) -> None:
        self.name, self.parent, self.book = name, parent, book
        self.children: dict[str, Node] = {}
        self.own_ns = 0

    def walk(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], "Node"]]:
        """Every node below, with the names that lead to it."""
        for name, child in list(self.children.items()):
            yield (*path, name), child
            yield from child.walk((*path, name))


class Place:
    """Where a call stands: its function, the node it counts in, and which functions it is inside of.

    `is_nested`: the function is in itself already, so its time is in the outermost call's. `after` holds the places
    of what was called from here.
    """

    __slots__ = ("after", "book", "inside", "is_nested", "node")

    def __init__(
        self, book: Optional["Book"], node: Node, inside: frozenset["Book"], *, is_nested: bool
    ) -> None:
        self.book, self.node, self.inside, self.is_nested = book, node, inside, is_nested
        self.after: dict[Book, Place] = {}


class CallTree:
    """All places, each made once. Thread-safe; bounded by `nodes_max` ways."""

    def __init__(self, nodes_max: int) -> None:
        self._nodes_max = nodes_max
        self._lock = threading.Lock()
        self.root = Node("", None)
        self.start = Place(None, self.root, frozenset(), is_nested=False)
        self._deeper: Node | None = None
        self._nodes = 0
        self._places: dict[tuple[Book, Node, frozenset[Book], bool], Place] = {}

    def step(self, place: Place, book: "Book") -> Place:
        """Where a call of the function stands that is made from this place."""
        with self._lock:
            known = place.after.get(book)
            if known is not None:
                return known
            is_nested = book in place.inside
            node = _ancestor(place.node, book) if is_nested else None
            node = node or self._child(place.node, book)
            key = (book, node, place.inside | {book}, is_nested)
            made = self._places.get(key)
            if made is None:
                made = Place(book, node, key[2], is_nested=is_nested)
                if len(self._places) >= 4 * self._nodes_max:
                    return made  # not kept: whoever comes by again finds it again, only slower
                self._places[key] = made
            place.after[book] = made
            return made

    def _child(self, parent: Node, book: "Book") -> Node:
        known = parent.children.get(book.name)
        if known is not None:
            return known
        if self._nodes >= self._nodes_max:
            self._deeper = self._deeper or self.root.children.setdefault(DEEPER, Node(DEEPER, self.root))
            return self._deeper
        self._nodes += 1
        return parent.children.setdefault(book.name, Node(book.name, parent, book))

    def forget_counts(self) -> None:
        """Every way stays known, with nothing counted."""
        for _, node in self.root.walk():
            node.own_ns = 0

    def after_fork(self) -> None:
        """A thread that is gone may have held the lock."""
        self._lock = threading.Lock()


def _ancestor(node: Node | None, book: "Book") -> Node | None:
    while node is not None and node.book is not book:
        node = node.parent
    return node
