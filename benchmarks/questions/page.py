"""The questions' figures, as sections of the server's page."""

from collections.abc import Iterator
from typing import Any

from benchmarks.questions.load import REPEATED_SHARE, TEAM
from benchmarks.questions.trial import (
    DIFFERENT_RATE,
    EVENTS_PER_S,
    INGEST_RATE,
    LIVE_QUERIES,
    SEARCH_RATE,
    TEAM_RATE,
    VIEWERS,
)
from benchmarks.report import Goal

TEAM_MS_MAX, DIFFERENT_MS_MAX, BESIDE_MS_MAX = 200.0, 300.0, 300.0
PACE_KEPT_MIN = 0.99

Figures = dict[str, Any]


def goals(found: Figures) -> Iterator[Goal]:
    """What was set, with this run's figures."""
    team, different, beside, live = found["team"], found["different"], found["beside"], found["live"]
    for what, one, beside_it, most in (
        (f"{TEAM_RATE:,} requests/s of a busy team, p95", team, found["team_yardstick"], TEAM_MS_MAX),
        (f"{DIFFERENT_RATE} different ones a second over the last hour, p95", different,
         found["different_yardstick"], DIFFERENT_MS_MAX),
    ):  # fmt: skip
        ours, theirs = one["p95_ms"], beside_it["p95_ms"]
        met = ours < most and all_good(one)
        yield Goal(what, f"{ours:.0f} ms", f"{theirs:.0f} ms", ours / theirs, f"< {most:.0f} ms", met)
    yield Goal(
        f"{SEARCH_RATE} searches/s over the last 15 minutes beside ingestion, p95", f"{beside['p95_ms']:.0f} ms", "",
        None, f"< {BESIDE_MS_MAX:.0f} ms", beside["p95_ms"] < BESIDE_MS_MAX and all_good(beside),
    )  # fmt: skip
    rate = beside["ingest"]["records_per_s"]
    yield Goal("that ingestion", f"{rate:,.0f} records/s", "", None, f"{INGEST_RATE:,}",
               rate >= INGEST_RATE * PACE_KEPT_MIN)  # fmt: skip
    yield Goal(
        f"{VIEWERS:,} viewers of {LIVE_QUERIES} live queries: events delivered", f"{live['events_per_s']:,.0f}/s", "",
        None, f"≥ {EVENTS_PER_S:,}/s", live["events_per_s"] >= EVENTS_PER_S * PACE_KEPT_MIN,
    )  # fmt: skip
    exact = live["events"] == live["expected"] and not live["doubled"] and not live["missed"]
    told = f"{live['events']:,} of {live['expected']:,}, {live['doubled']} twice"
    yield Goal("each record once to each of them", told, "", None, "exact", exact)


def all_good(one: Figures) -> bool:
    """Whether every question was answered with 200."""
    return set(one["statuses"]) == {"200"}


def sections(found: Figures) -> list[str]:
    """What stands below the goals' heading."""
    made = list(goals(found))
    rows = [
        ("a busy team's", found["team"]),
        ("different ones", found["different"]),
        ("searches beside ingestion", found["beside"]),
        (f"a busy team's, {TEAM_RATE // 10}/s, nothing kept", found["team_yardstick"]),
        ("different ones, nothing kept", found["different_yardstick"]),
    ]
    return [
        "The yardstick is the same server with nothing kept (`query.cache_bytes` and `query.kept_bytes` off): the same "
        "different questions, and a tenth of the team's. Everything shares two cores: the server, who asks, who sends. "
        "Times count from when a question was due, however late it could be sent.",
        "\n".join(
            [
                "| what | figure | yardstick | ratio | goal | |",
                "|---|---|---|---|---|---|",
                *(goal.row() for goal in made),
            ]
        ),
        "## Questions",
        "\n".join(
            [
                "| questions | asked | p50 ms | p95 ms | p99 ms | most ms | server, cores | asking, cores | MB |",
                "|---|---|---|---|---|---|---|---|---|",
                *(_row(name, one) for name, one in rows),
            ]
        ),
        f"{found['records']:,} records, the last ones of the moment of measuring, {found['last_hour']:,} of them of "
        "the hour before. Of the answers to different ones and "
        f"to the team together, {found['kept_share']:.1%} were kept ones.",
        "## Beside",
        _beside(found["beside"], found["live"]),
        "## How",
        f"- A busy team: {len(TEAM)} queries, each as newest 100, count and histogram over the last 15 minutes or "
        f"hour, relative to the clock, some far more often than others; {1 - REPEATED_SHARE:.0%} are new.\n"
        "- Different ones: a word, a service or a level with a bound that no other has; trace ids; order numbers.\n"
        "- One client process on uvloop and raw sockets; questions go out when they are due (open loop).\n"
        "- Viewers: each connection counts its events and looks for gaps and doubles by their ids.",
    ]


def _beside(beside: Figures, live: Figures) -> str:
    return (
        f"Ingestion beside the searches: {beside['ingest']['records_per_s']:,.0f} records/s in ten bodies a "
        f"second, the slowest of which took {beside['ingest']['slowest_ms']:.0f} ms; "
        f"{beside['ingest']['late']} were sent late. Live: {live['server_cores']:.2f} cores of the server for "
        f"{VIEWERS:,} viewers and {live['ingest']['records_per_s']:,.0f} records/s, {live['peak_mib']:.0f} MB at most; "
        f"the viewers took {live['client_cpu_s'] / live['seconds']:.2f} cores."
    )


def _row(name: str, one: Figures) -> str:
    seconds = one["seconds"]
    return (
        f"| {name} | {one['asked']:,} | {one['p50_ms']:.1f} | {one['p95_ms']:.1f} | {one['p99_ms']:.1f} "
        f"| {one['max_ms']:.0f} | {one['server_cores']:.2f} | {one['client_cpu_s'] / seconds:.2f} "
        f"| {one['peak_mib']:.0f} |"
    )
