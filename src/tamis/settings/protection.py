"""How much one caller may ask for in a time (SPEC S9)."""

from dataclasses import dataclass

from tamis.settings.fields import seconds, size, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class RatesSettings:
    """How often callers may come. `burst` is how many may come at once; 0 a minute is no limit."""

    anonymous_per_minute: int = whole(
        100, "Requests without credentials of one address a minute; more are answered 429."
    )
    anonymous_burst: int = whole(20, "So many of them at once.", least=1)
    signin_per_minute: int = whole(100, "Attempts to sign in of one address a minute.")
    signin_burst: int = whole(20, "So many of them at once.", least=1)
    ask_per_minute: int = whole(100, "Questions in plain language of one caller a minute.")
    ask_burst: int = whole(20, "So many of them at once.", least=1)
    session_per_minute: int = whole(1_200, "Requests of one browser session a minute.")
    session_burst: int = whole(200, "So many of them at once.", least=1)
    token_bytes_per_minute: int = size(
        "off", "Bytes of bodies that one token may send a minute, as they arrive; a minute's worth at once."
    )
    token_query_s_per_minute: float = seconds(
        "off", "Seconds of waiting for answers that one token may cause a minute; a minute's worth at once."
    )
    callers_max: int = whole(
        100_000, "Addresses and sessions that are remembered; the longest silent make room.", least=100
    )
