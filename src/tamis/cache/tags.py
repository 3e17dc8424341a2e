"""Which keys were written under which tags."""

from collections.abc import Collection


class Tags:
    """Keys by tag. Not thread-safe."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[str, set[str]] = {}

    def keys(self, tag: str) -> Collection[str]:
        """The keys under a tag now, as a copy."""
        return tuple(self._keys.get(tag, ()))

    def change(self, key: str, before: tuple[str, ...], after: tuple[str, ...] = ()) -> None:
        """The key is not under the tags `before` any more, but under `after`."""
        for tag in before:
            keys = self._keys.get(tag)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._keys[tag]
        for tag in after:
            self._keys.setdefault(tag, set()).add(key)
