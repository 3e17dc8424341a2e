"""Whatever happens to a store, in whatever order, it holds what it was given and was not told to delete."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tamis.query.ast import Phrase
from tamis.store.base import Budget, Question
from tamis.store.embedded.recovery.verify import verify
from tamis.store.embedded.store import EmbeddedStore
from tests.support.embedded import HandClock, batch, messages, open_quiet

WORDS = ("red", "green", "blue")
CARE = ("seal", "merge", "shrink", "erase", "close", "kill", "later")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(st.sampled_from(WORDS), max_size=4)),
        st.tuples(st.just("again"), st.integers(0, 30)),
        st.tuples(st.just("delete"), st.sampled_from(WORDS)),
        st.tuples(st.sampled_from(CARE), st.none()),
    ),
    max_size=16,
)


class Life:
    """A store with what it should hold."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, HandClock()
        self.sent: list[list[str]] = []
        self.kept: list[str] = []
        self.store = self.open()

    def open(self) -> EmbeddedStore:
        return open_quiet(self.folder, clock=self.clock, merge_count=2, journal_bytes_max=5_000)

    def append(self, words: list[str]) -> None:
        texts = [f"{word} {len(self.sent)} {place}" for place, word in enumerate(words)]
        assert not self.store.append(batch(*texts), batch_id=str(len(self.sent))).duplicate
        self.sent.append(texts)
        self.kept += texts

    def again(self, number: int) -> None:
        if number < len(self.sent):
            assert self.store.append(batch(*self.sent[number]), batch_id=str(number)).duplicate

    def delete(self, word: str) -> None:
        hidden = self.store.delete(Question(Phrase("message", word)), Budget()).hidden
        rest = [text for text in self.kept if not text.startswith(word)]
        assert hidden == len(self.kept) - len(rest)
        self.kept = rest

    def care(self, kind: str) -> None:
        match kind:
            case "seal":
                self.store.seal_now()
            case "merge":
                self.store.merge_now()
            case "shrink":
                self.store.parts.upkeep.shrink()
            case "erase":
                self.store.erase_now()
                assert self.store.health().facts["deletions"] == 0
            case "later":
                self.clock.pass_s(3_600)
            case "close":
                self.store.close()
                self.store = self.open()
            case _:
                self.kill()
                self.store = self.open()

    def kill(self) -> None:
        self.store.parts.shop.engine.close()
        self.store.parts.lock.release()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_a_store_holds_what_it_should_after_any_life(life_steps):
    """Appends, repeats, deletions, seals, merges, erasures, restarts and kills in random order."""
    with TemporaryDirectory() as folder:
        life = Life(Path(folder) / "data")
        for kind, what in life_steps:
            match kind:
                case "append":
                    life.append(what)
                case "again":
                    life.again(what)
                case "delete":
                    life.delete(what)
                case _:
                    life.care(kind)
            assert messages(life.store) == sorted(life.kept)
        assert verify(life.folder).is_whole
        assert life.store.health().state == "ready"
        life.store.close()
