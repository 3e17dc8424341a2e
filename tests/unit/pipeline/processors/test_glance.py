"""A glance at a batch never overlooks what looking at each record finds."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.redaction_cases import negatives, positives
from tamis.pipeline.chain import Chain
from tamis.pipeline.processors.patterns.secret import SHORTEST_KEY
from tamis.pipeline.processors.redact import Redact, redact_from, secure_from
from tamis.record.attributes import Value
from tamis.record.model import Record
from tamis.settings.processors import RedactSettings

SECRETS = [case.text for case in positives()]
CLEAN = [case.text for case in negatives()]
SURROUNDINGS = (
    "{}",
    "é {}",
    "\x1b[31m{}\x1b[0m",
    'said "{}"',
    "a\\n{}",
    "tab\t{}",
    "x\n{}\ny",
    "\x01{}\x02",
    "naïve:{}",
)


def record(message: str, **attributes: Value) -> Record:
    return Record(
        timestamp=1, message=message, attributes={"process_id": 4194301, "process": "12345678", **attributes}
    )


def both(records: list[Record], settings: RedactSettings | None = None) -> tuple[list[Record], list[Record]]:
    """Redacted as a batch, and each for itself."""
    used = settings or RedactSettings()
    alone = redact_from(used)
    return Chain([redact_from(used)]).run(list(records)).records, [alone.process(one) for one in records]


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
def test_every_labelled_secret_is_found_in_a_batch(surroundings: str) -> None:
    """In the message, in a field, in a list and in an object within: a batch is redacted as its records alone."""
    records = []
    for number, secret in enumerate(SECRETS):
        text = surroundings.format(secret)
        places: list[dict[str, Value]] = [
            {"note": text},
            {"note": ["a", text]},
            {"note": {"in": {"it": text}}},
            {},
        ]
        records.append(record(CLEAN[number % len(CLEAN)], **places[number % 4]))
        records.append(record(text, count=number))
    batch, alone = both(records)
    assert batch == alone
    assert batch != records


def test_values_of_sensitive_names_are_masked_in_a_batch() -> None:
    """Whatever the value is, and wherever the name stands."""
    records = [
        record("a", apiKey="x"), record("b", user={"db_password": "y"}), record("c", items=[{"Secret": 3}]),
        record("d", tokens=7), record("e", **{"bob@example.com": 1}), record("f", fine="yes"),
    ]  # fmt: skip
    batch, alone = both(records)
    assert batch == alone
    assert "x" not in str(batch[0].attributes)
    assert batch[5] is records[5]


def test_numbers_of_cards_are_masked_whatever_equals_them() -> None:
    """A float that equals a card's number stands before it in the batch; the number is found all the same."""
    records = [
        record("a", value=4111111111111111.0),
        record("b", value=4111111111111111),
        record("c", value=True),
    ]
    batch, alone = both(records)
    assert batch == alone
    assert batch[1].attributes["value"] == "***CARD***"


def test_own_patterns_are_looked_for_in_every_record() -> None:
    """Nothing is known of them, so no record is passed over."""
    batch, alone = both([record("order 7"), record("x")], RedactSettings(patterns=(r"order (\d)",)))
    assert batch == alone
    assert batch[0].message == "order ***REDACTED***"


def test_what_json_cannot_carry_is_looked_at() -> None:
    """A lone surrogate stops no search."""
    batch, alone = both([record("\ud800 bob@example.com"), record("alice@example.com")])
    assert batch == alone
    assert "***@***.***" in batch[1].message


def test_most_clean_records_are_passed_over() -> None:
    """What has nothing of a secret in it costs no look of its own."""
    secure = secure_from(RedactSettings())
    records = [
        record(f"mail {number} sent", mail=number, took=0.25, thread="Thread-1") for number in range(300)
    ]
    assert list(Redact(secure).places(records)) == []


def test_order_is_kept_and_failures_are_handled_in_chosen_places() -> None:
    """A record that cannot be looked at goes on without what it said, at its place."""

    class Failing(Redact):
        def process(self, one: Record, /) -> Record:
            if "boom" in one.message:
                raise ValueError("boom")
            return super().process(one)

    chain = Chain([Failing(secure_from(RedactSettings()))])
    passed = chain.run([record("a"), record("boom bob@example.com"), record("c"), record("bob@example.com")])
    assert [one.message[:3] for one in passed.records] == ["a", "***", "c", "***"]
    assert passed.errors == 1


@given(st.integers(0, 2**32), st.text(max_size=12), st.text(max_size=12))
def test_a_batch_is_redacted_as_its_records_alone(seed: int, before: str, after: str) -> None:
    """Any text round secrets and what only looks like them."""
    chance = Random(seed)
    texts = [before + chance.choice(SECRETS + CLEAN) + after for _ in range(8)]
    batch, alone = both([record(text, note=chance.choice(texts)) for text in texts])
    assert batch == alone


SHORTEST_KEYS = (
    "xoxb-0123456789", "xapp-01234567890123456789", "eyJ0123456789.", "AKIA0123456789ABCDEF", "A3TX0123456789ABCDEF",
    "12345678:AA" + "a" * 33, "sig=" + "a" * 40, "SK" + "0" * 32, "ghp_" + "a" * 36, "abc7Q~" + "a" * 31,
    "sk-01234567890123456789", "tamis_" + "a" * 43, "whsec_" + "a" * 24, "hvs." + "a" * 24,
    "hooks.slack.com/services/" + "a" * 20, "glpat-01234567890123456789", "ya29.01234567890123456789",
    "sk_live_0123456789abcdef", "SG." + "a" * 16 + "." + "b" * 16, "AIza" + "a" * 35,
)  # fmt: skip


@pytest.mark.parametrize("key", SHORTEST_KEYS)
def test_a_key_beside_a_word_that_was_seen_before_is_found(key: str) -> None:
    """What is remembered of long words never hides a key, however short: without its last character it is none."""
    redact, word = redact_from(RedactSettings()), "request-0123456789abcdef"
    assert list(redact.places([record(f"{word} started")])) == []
    assert list(redact.places([record(f"{word} {key}")])) == [0]
    assert redact.process(record(f"{word} {key}")).message.startswith(f"{word} ***")
    assert key[:-1] in redact_from(RedactSettings()).text(f"{word} {key[:-1]}")
    assert len(key) >= SHORTEST_KEY


def test_no_key_is_shorter_than_the_shortest() -> None:
    """Words are remembered from that length on; it is that of a token that was cut off."""
    assert min(map(len, SHORTEST_KEYS)) == SHORTEST_KEY


PIECES = (
    *SECRETS, *CLEAN, *SHORTEST_KEYS, "request-0123456789abcdef",
    "0123456789abcdef", "aaaaaaaaaaaaaaaa", "eyJ0123456789",
    "xoxb-012345678", "password -> hunter2", "-password hunter2", "(-db-password hunter2)", "token -> next",
    "user[password]=x", "user%5Bpassword%5D=x", "password%253Dx", "password\\u003dx", "Bearer\tabcdef1234567",
    "Bearer+abcdef1234567", "2026-11-21", "a-b", "-", "->", "=", "password", "secret", "é", "\x1b[1m", "\u200b",
)  # fmt: skip
JOINTS = ("", " ", "-", "_", ".", ": ", "=", "(", "\\n", "\n", "\t", '"', "/", "%20", ",", "\x7f", "\u3000")


@given(st.integers(0, 2**32))
def test_no_mixture_of_texts_is_overlooked_whatever_was_seen_before(seed: int) -> None:
    """Batch after batch, with all that is remembered of those before: what looking at a text for the first time
    masks is among the places.
    """
    chance, redact = Random(seed), redact_from(RedactSettings())
    for _ in range(4):
        texts = [_mixture(chance) for _ in range(6)]
        records = [record(text) if chance.random() < 0.5 else record("x", note=text) for text in texts]
        places = set(redact.places(records))
        fresh = redact_from(RedactSettings())
        overlooked = [
            text for place, text in enumerate(texts) if place not in places and fresh.text(text) != text
        ]
        assert not overlooked


def _mixture(chance: Random) -> str:
    pieces = [chance.choice(PIECES) for _ in range(chance.randrange(1, 5))]
    return "".join(piece + chance.choice(JOINTS) for piece in pieces)
