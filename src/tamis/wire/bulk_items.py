"""The lines of an Elasticsearch bulk body as items: an action, and the source that follows it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import msgspec

from tamis.wire.jsonlines import too_long

ACTIONS = ("index", "create", "update", "delete")
INDEX, CREATE, UPDATE, DELETE = range(4)
ID_BYTES_MAX = 512
"""As Elasticsearch has it."""
INDEX_BYTES_MAX = 255
DISTINCT_MAX = 64
"""So many different action lines are looked at once each, further ones one by one."""
REASON_CHARS_MAX = 200
_EDGE = b" \t\r\0\f\v"
_LIKE_ACTIONS = tuple(
    form % name for name in (b"index", b"create", b"update", b"delete") for form in (b'{"%s"', b'{ "%s"')
)
_HEAD = itemgetter(slice(0, max(map(len, _LIKE_ACTIONS))))
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Refusal(msgspec.Struct, frozen=True):
    """Why an item is not stored (now): a status, Elasticsearch's name for such an error, and a sentence.

    Status 200 is no error: the same document is stored already.
    """

    status: int
    kind: str
    reason: str


def malformed(reason: str) -> Refusal:
    """The item is broken."""
    return Refusal(400, "illegal_argument_exception", reason)


def parsing(reason: str) -> Refusal:
    """The item's source cannot be read."""
    return Refusal(400, "document_parsing_exception", reason)


NO_UPDATE = Refusal(
    400,
    "illegal_argument_exception",
    "update is not possible here, not even to create: Tamis changes no record; send index or create",
)
NO_DELETE = Refusal(
    400,
    "illegal_argument_exception",
    "delete is not possible by bulk: Tamis deletes by query (POST /api/v1/delete)",
)
NO_CONDITION = malformed("if_seq_no and if_primary_term are not possible here: Tamis changes no record")
NO_SOURCE = malformed("no source line follows the action")
EMPTY_ID = malformed("if _id is specified it must not be empty")


class _PlainMeta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What nearly every action says; `_type` is of long ago."""

    index: str | None = msgspec.field(default=None, name="_index")
    id: str | None = msgspec.field(default=None, name="_id")
    type: str | None = msgspec.field(default=None, name="_type")
    routing: str | None = None
    pipeline: str | None = None
    require_alias: bool | None = None


class _Index(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    meta: _PlainMeta = msgspec.field(name="index")


class _Create(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    meta: _PlainMeta = msgspec.field(name="create")


class _Meta(msgspec.Struct, gc=False):
    """Whatever an action may say; what is not here is not looked at."""

    index: str | None = msgspec.field(default=None, name="_index")
    id: str | int | float | bool | None = msgspec.field(default=None, name="_id")
    op_type: str | None = None
    if_seq_no: Any = None
    if_primary_term: Any = None


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    index: _Meta | None = None
    create: _Meta | None = None
    update: _Meta | None = None
    delete: _Meta | None = None


_METADATA = frozenset((
    "_index", "_id", "_type", "_routing", "_version", "_version_type", "_retry_on_conflict", "_source", "_parent",
    "routing", "pipeline", "require_alias", "require_data_stream", "op_type", "version", "version_type", "parent",
    "if_seq_no", "if_primary_term", "dynamic_templates", "list_executed_pipelines", "retry_on_conflict",
))  # fmt: skip
_decode_line = msgspec.json.Decoder(_Line).decode
_decode_any = msgspec.json.Decoder(dict[str, dict[str, Any]]).decode
_PLAIN: tuple[tuple[int, Callable[[bytes], Any]], ...] = (
    (INDEX, msgspec.json.Decoder(_Index).decode),
    (CREATE, msgspec.json.Decoder(_Create).decode),
)


class LongLine(bytes):
    """Stands for a line of `size` bytes that was too long to be held: over `limit`."""

    size: int
    limit: int

    @classmethod
    def of(cls, size: int, limit: int) -> "LongLine":
        """An empty line that knows how long it was."""
        made = cls()
        made.size, made.limit = size, limit
        return made


@dataclass(frozen=True, slots=True)
class Action:
    """One action line. `refusal`: it cannot be done, whatever its source is."""

    code: int
    index: str | None
    id: str | None
    refusal: Refusal | None = None


@dataclass(slots=True)
class Items:
    """Some items in their order.

    `codes` says the action of each (a place in ACTIONS). `name_of` has the place of each one's index in `names`;
    None: all are in the first. `ids` is None where no item has one. `sources` are those of the items that are not
    `refused` (by their place here).
    """

    codes: bytes = b""
    names: list[str] = field(default_factory=list)
    name_of: Sequence[int] | None = None
    ids: list[str | None] | None = None
    sources: list[bytes] = field(default_factory=list)
    refused: dict[int, Refusal] = field(default_factory=dict)


class ItemReader:
    """Reads the lines of one body, which come in parts. Not thread-safe.

    `index` is where items go that do not say it. After a broken action its lines are passed over up to the next line
    that is an action beyond doubt: they belong to the item that is refused.
    """

    def __init__(self, index: str, line_bytes_max: int) -> None:
        self._index, self._line_bytes_max = index, line_bytes_max
        self._lost = False

    def read(self, lines: list[bytes], *, last: bool = False) -> tuple[Items, int]:
        """Items of the first of these whole lines, and how many lines they are: all, but for an action at the end
        whose source is yet to come. `last`: nothing is yet to come; what is left is to be read by itself."""
        items = self._alike(lines)
        if items is None:
            items, used = self._walk(lines, last=last)
        else:
            used = 2 * len(items.codes)
        return items, used

    def _alike(self, lines: list[bytes]) -> Items | None:
        """Items whose lines take turns, all to be stored; None where they are otherwise."""
        count = len(lines) // 2
        actions, sources = lines[0 : 2 * count : 2], lines[1 : 2 * count : 2]
        if self._lost or not count or isinstance(lines[-1], LongLine):
            return None
        if max(map(len, actions)) > self._line_bytes_max:
            return None
        if any(one.startswith(_LIKE_ACTIONS) for one in set(map(_HEAD, sources))):
            return None
        items = self._same(actions) or self._kindred(actions)
        if items is not None:
            items.sources = sources
        return items

    def _same(self, actions: list[bytes]) -> Items | None:
        """Few different actions: each is looked at once."""
        distinct = set(actions)
        if len(distinct) > DISTINCT_MAX:
            return None
        known: dict[bytes, Any] = {line: _plain_action(line) for line in distinct}
        if None in known.values():
            return None
        if len(known) == 1:
            (one,) = known.values()
            name = self._index if one.index is None else one.index
            ids = None if one.id is None else [one.id] * len(actions)
            return Items(bytes((one.code,)) * len(actions), [name], None, ids)
        found: list[Any] = [known[line] for line in actions]
        names = [self._index if one.index is None else one.index for one in found]
        ids = [one.id for one in found]
        return _packed(bytes(one.code for one in found), names, ids)

    def _kindred(self, actions: list[bytes]) -> Items | None:
        """All to be created, or all to be indexed."""
        for code, decode in _PLAIN:
            try:
                metas = [one.meta for one in map(decode, actions)]
            except _FAILURES:
                continue
            names = [self._index if one.index is None else one.index for one in metas]
            ids = [one.id for one in metas]
            if not _fit(set(names), INDEX_BYTES_MAX) or not _fit(
                [one for one in ids if one is not None], ID_BYTES_MAX
            ):
                return None
            return _packed(bytes((code,)) * len(metas), names, ids)
        return None

    def _walk(self, lines: list[bytes], *, last: bool) -> tuple[Items, int]:
        """Items one after the other."""
        made = _Made()
        at = 0
        while at < len(lines):
            line = lines[at]
            if self._lost and not _is_action(line):
                at += 1
                continue
            if not isinstance(line, LongLine) and not line.strip(_EDGE):
                at += 1
                continue
            action = self._action(line)
            self._lost = isinstance(action, str)
            taken = 1
            if isinstance(action, str):
                made.refuse(Action(INDEX, self._index, None), malformed(f"malformed action line: {action}"))
            elif action.code == DELETE:
                made.refuse(action, NO_DELETE)
            elif at + 1 >= len(lines) and not last:
                break
            else:
                taken = made.put(action, lines[at + 1] if at + 1 < len(lines) else None)
            at += taken
        return made.items(self._index), at

    def _action(self, line: bytes) -> Action | str:
        size = line.size if isinstance(line, LongLine) else len(line)
        return too_long(self._line_bytes_max, size) if size > self._line_bytes_max else read_action(line)


class _Made:
    """Items under construction."""

    def __init__(self) -> None:
        self._actions: list[Action] = []
        self._sources: list[bytes] = []
        self._refused: dict[int, Refusal] = {}

    def refuse(self, action: Action, refusal: Refusal) -> None:
        """One more item, which is not stored."""
        self._refused[len(self._actions)] = refusal
        self._actions.append(action)

    def put(self, action: Action, source: bytes | None) -> int:
        """One more item that has a source; how many lines it took."""
        if source is None or _is_action(source):
            self.refuse(action, NO_SOURCE)
            return 1
        refusal = action.refusal
        if refusal is None and isinstance(source, LongLine):
            refusal = parsing(too_long(source.limit, source.size))
        if refusal is not None:
            self.refuse(action, refusal)
        else:
            self._actions.append(action)
            self._sources.append(source)
        return 2

    def items(self, index: str) -> Items:
        """All of them."""
        found = _packed(
            bytes(one.code for one in self._actions),
            [index if one.index is None else one.index for one in self._actions],
            [one.id for one in self._actions],
        )
        found.sources, found.refused = self._sources, self._refused
        return found


def _packed(codes: bytes, names: list[str], ids: list[str | None]) -> Items:
    distinct = list(dict.fromkeys(names))
    name_of = None
    if len(distinct) > 1:
        places = {name: at for at, name in enumerate(distinct)}
        name_of = [places[name] for name in names]
    has_ids = ids.count(None) < len(ids)
    return Items(codes, distinct, name_of, ids if has_ids else None)


def _fit(texts: Iterable[Any], bytes_max: int) -> bool:
    """Whether texts are surely within 1 and so many bytes."""
    lengths = set(map(len, texts))
    return not lengths or (min(lengths) > 0 and max(lengths) <= bytes_max // 4)


def _plain_action(line: bytes) -> Action | None:
    found = read_action(line)
    if not isinstance(found, Action) or found.refusal is not None or found.code == DELETE:
        return None
    return found


def _is_action(line: bytes) -> bool:
    """Whether a line is an action beyond doubt: one of the four, and nothing in it that actions have not."""
    if not line.startswith(_LIKE_ACTIONS):
        return False
    try:
        found = _decode_any(line)
    except _FAILURES:
        return False
    return len(found) == 1 and not any(meta.keys() - _METADATA for meta in found.values())


def read_action(line: bytes) -> Action | str:
    """The action of a line, or why it is none."""
    try:
        found = _decode_line(line)
    except _FAILURES as error:
        return f"{error or type(error).__name__}"[:REASON_CHARS_MAX]
    metas = [
        (code, meta)
        for code, meta in enumerate((found.index, found.create, found.update, found.delete))
        if meta is not None
    ]
    if len(metas) != 1:
        return f"it has {len(metas)} actions; one of {', '.join(ACTIONS)} is expected"
    ((code, meta),) = metas
    if code == INDEX and meta.op_type == "create":
        code = CREATE
    name = _text_of(meta.id)
    return Action(code, meta.index, name, _refusal(code, meta, name))


def _text_of(value: str | int | float | bool | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def _refusal(code: int, meta: _Meta, name: str | None) -> Refusal | None:
    if code == UPDATE:
        return NO_UPDATE
    if meta.if_seq_no is not None or meta.if_primary_term is not None:
        return NO_CONDITION
    if name == "":
        return EMPTY_ID
    size = len((name or "").encode("utf-8", "replace"))
    if size > ID_BYTES_MAX:
        return malformed(f"_id is too long: it has {size:,} bytes, at most {ID_BYTES_MAX} are possible")
    if meta.index is not None and not 0 < len(meta.index.encode("utf-8", "replace")) <= INDEX_BYTES_MAX:
        return Refusal(
            400, "invalid_index_name_exception", f"the name of an index has 1 to {INDEX_BYTES_MAX} bytes"
        )
    return None
