"""Questions about times that are few row groups long, such as the last hour: answered from rows that are kept."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tamis.query.ast import Exact, Phrase
from tamis.store.embedded.ask.condition import Condition, condition_of, leaves, out_of_reach
from tamis.store.embedded.ask.kept import Numbers
from tamis.store.embedded.ask.matched import Asked, matching_rows
from tamis.store.embedded.ask.rows import Located, place_of
from tamis.store.embedded.format.columns import IDS, NAMES
from tamis.store.embedded.format.part import Part, RowGroup

PARTS_MAX = 24
GROUPS_MAX = 32
BUCKETS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Reach:
    """A part that a question is about, and its row groups within the time, oldest first."""

    part: Part
    condition: Condition
    groups: tuple[RowGroup, ...]

    def cut(self, asked: Asked, group: RowGroup, rows: Numbers) -> Numbers:
        """Those of a group's rows that are within the time, and within the sequences."""
        return self._in_sequence(asked, group, self._in_time(asked, group, rows))

    def _in_sequence(self, asked: Asked, group: RowGroup, rows: Numbers) -> Numbers:
        wanted, facts = self.condition.wanted, self.part.facts
        upto = facts.max_seq if wanted.upto_seq is None else wanted.upto_seq
        after = 0 if wanted.after_seq is None else wanted.after_seq
        if not len(rows) or (facts.max_seq <= upto and facts.min_seq > after):
            return rows
        seqs = asked.engine.kept.seqs(self.part, group)[rows]
        within: Numbers = rows[(seqs > after) & (seqs <= upto)]
        return within

    def _in_time(self, asked: Asked, group: RowGroup, rows: Numbers) -> Numbers:
        wanted = self.condition.wanted
        start, end = wanted.start_ns, wanted.end_ns
        late = start is not None and group.min_ts < start
        early = end is not None and group.max_ts >= end
        if not (late or early) or not len(rows):
            return rows
        stamps = asked.engine.kept.stamps(self.part, group)
        first = np.searchsorted(stamps, start) if late and start is not None else 0
        last = np.searchsorted(stamps, end) if early and end is not None else group.rows
        low, high = np.searchsorted(rows, [int(first), int(last)])
        return rows[low:high]


def reach_of(asked: Asked) -> list[Reach] | None:
    """What a question is about; None when that is too much."""
    if not asked.engine.kept.is_on or names_an_id(asked):
        return None
    found: list[Reach] = []
    count = 0
    for part in asked.snapshot.parts:
        condition = condition_of(asked.question, asked.snapshot, part)
        if out_of_reach(condition, part):
            continue
        if len(found) == PARTS_MAX:
            return None
        wanted = condition.wanted
        groups = tuple(
            group
            for group in part.row_groups()
            if (wanted.start_ns is None or group.max_ts >= wanted.start_ns)
            and (wanted.end_ns is None or group.min_ts < wanted.end_ns)
        )
        count += len(groups)
        if count > GROUPS_MAX:
            return None
        if groups:
            found.append(Reach(part, condition, groups))
    return found


def names_an_id(asked: Asked) -> bool:
    """Whether an id is asked for: the files' Bloom filters know at once where it is not."""
    return any(
        isinstance(leaf, Exact | Phrase) and leaf.field in IDS for leaf in leaves(asked.question.filter)
    )


def runs(asked: Asked, reaches: list[Reach]) -> Iterator[tuple[Reach, RowGroup, Numbers]]:
    """Each row group with its rows that match."""
    for reach in reaches:
        asked.budget.remaining_s()
        all_rows = matching_rows(asked, reach.part, reach.condition, reach.groups)
        for group, rows in zip(reach.groups, all_rows, strict=True):
            yield reach, group, reach.cut(asked, group, rows)


def count_recent(asked: Asked) -> int | None:
    """How many; None: it takes another way."""
    reaches = reach_of(asked)
    return None if reaches is None else sum(len(rows) for _, _, rows in runs(asked, reaches))


def histogram_recent(asked: Asked, *, interval_ns: int, by: str | None) -> dict[tuple[int, str], int] | None:
    """Counts by start of interval and value; None: it takes another way."""
    reaches = reach_of(asked) if by is None or by in NAMES else None
    if reaches is None:
        return None
    buckets: dict[tuple[int, str], int] = {}
    for reach, group, rows in runs(asked, reaches):
        for bucket, number in _buckets(asked, reach.part, group, rows, interval_ns=interval_ns, by=by):
            buckets[bucket] = buckets.get(bucket, 0) + number
    return buckets


def _buckets(
    asked: Asked, part: Part, group: RowGroup, rows: Numbers, *, interval_ns: int, by: str | None
) -> Iterator[tuple[tuple[int, str], int]]:
    if not len(rows):
        return
    starts = asked.engine.kept.stamps(part, group)[rows] // interval_ns
    first = int(starts[0])
    places, codes, values = starts - first, np.zeros(1, np.int64), [""]
    if int(places[-1]) > BUCKETS_MAX:
        known, places = np.unique(starts, return_inverse=True)
    else:
        known = np.arange(first, first + int(places[-1]) + 1)
    if by is not None:
        all_codes, texts = asked.engine.kept.values(part, group, by)
        codes, values = all_codes[rows], [text or "" for text in texts]
    sums = np.bincount(places * len(values) + codes)
    for place in np.flatnonzero(sums).tolist():
        start, code = divmod(place, len(values))
        yield (int(known[start]) * interval_ns, values[code]), int(sums[place])


def located_recent(
    asked: Asked, *, limit: int, newest_first: bool, after: tuple[int, int] | None
) -> tuple[list[Located], list[Part]] | None:
    """Where the first rows are, and the parts they are in; None: it takes another way."""
    reaches = reach_of(asked)
    if reaches is None:
        return None
    groups = sorted(
        ((reach, group) for reach in reaches for group in reach.groups),
        key=lambda pair: -pair[1].max_ts if newest_first else pair[1].min_ts,
    )
    found: list[Located] = []
    for at, (reach, group) in enumerate(groups):
        if len(found) == limit and _is_behind(found[-1], group, newest_first=newest_first):
            break
        if at == 1:
            _look_ahead(asked, reaches)
        found += _first_of(asked, reach, group, limit=limit, newest_first=newest_first, after=after)
        found = sorted(found, reverse=newest_first)[:limit]
    return found, [reach.part for reach in reaches]


def _look_ahead(asked: Asked, reaches: list[Reach]) -> None:
    """The first row group was not enough: look through all others of each part at once."""
    for reach in reaches:
        asked.budget.remaining_s()
        matching_rows(asked, reach.part, reach.condition, reach.groups)


def _is_behind(last: Located, group: RowGroup, *, newest_first: bool) -> bool:
    return last.ts > group.max_ts if newest_first else last.ts < group.min_ts


def _first_of(
    asked: Asked,
    reach: Reach,
    group: RowGroup,
    *,
    limit: int,
    newest_first: bool,
    after: tuple[int, int] | None,
) -> list[Located]:
    """The first rows of a group that match, behind the place where the reader is."""
    kept, part = asked.engine.kept, reach.part
    (rows,) = matching_rows(asked, part, reach.condition, [group])
    rows = reach.cut(asked, group, rows)
    if not len(rows):
        return []
    stamps, seqs = kept.stamps(part, group), kept.seqs(part, group)
    if after is not None:
        rows = _behind(rows, stamps, seqs, after, newest_first=newest_first)
    chosen = (rows[-limit:] if newest_first else rows[:limit]).astype(np.int64)
    place = place_of(part)
    return [
        Located(stamp, seq, place, row)
        for stamp, seq, row in zip(
            stamps[chosen].tolist(),
            seqs[chosen].tolist(),
            (chosen + group.first_row).tolist(),
            strict=True,
        )
    ]


def _behind(
    rows: Numbers, stamps: Numbers, seqs: Numbers, after: tuple[int, int], *, newest_first: bool
) -> Numbers:
    stamp, seq = after
    times, same = stamps[rows], stamps[rows] == stamp
    if newest_first:
        left: Numbers = rows[(times < stamp) | (same & (seqs[rows] < seq))]
    else:
        left = rows[(times > stamp) | (same & (seqs[rows] > seq))]
    return left
