"""Secrets that can be told by what stands before them: userinfo of URLs, bearer tokens, headers, `password=…`."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from tamis.pipeline.processors.patterns.base import AT, NAMED, Pattern, Span
from tamis.pipeline.processors.patterns.value import Value, read_value

KIND: Final = "credential"
MASK: Final = "***REDACTED***"
_USERINFO: Final = re.compile(r"(?<=[a-z0-9])://([^\s/?#@\"'<>:\[]*+):([^\s\"'<>]*+)", re.IGNORECASE)
_PORT: Final = re.compile(r"\d*(?:[/?#]|$)")
_TOKEN_BEFORE_HOST: Final = re.compile(r"(?<=http)(?:(?<=http)s)?://([^\s/?#@\"'<>:]{6,}+)@", re.IGNORECASE)
_SCHEME: Final = re.compile(
    r"(?:authorization[\"']?\s{0,2}[:=]\s{0,2}[\"']?(?:basic|digest|negotiate|token|apikey|api-key|bearer)\s{1,2}"
    r"|(?<![a-z0-9])bearer(?:\s{1,2}|%20|\+)[\"']?)([0-9a-z._~+/=-]{8,}+)",
    re.IGNORECASE | re.ASCII,
)
_LOOKS_RANDOM: Final = re.compile(r"\d|[a-z][A-Z]|[=+/~]")
_NAME: Final = (
    r"(?i:passw(?:or)?d|passphrase|passcode|secret|api[_-]?key|access[_-]?key|private[_-]?key|credit[_-]?card"
    r"|pwd|token)"
)
_SIGN: Final = r"(?::=|[=!]=|=>|->|<>|[:=]|%(?:25)?3[AaDd]|\\+u003[AaDd])"
_OPENED, _CLOSED = r"(?:\[|%(?:25)?5[Bb])", r"(?:\]|%(?:25)?5[Dd])"
_WITHIN: Final = rf"{_CLOSED}?+(?:{_OPENED}[\w-]{{0,40}}+{_CLOSED}|\.[\w-]{{1,40}}+){{0,4}}+"
"""What a form's names have behind a part of theirs: `user[password]`, `password[0]`, `password.value`."""
_NAMED: Final = re.compile(
    rf"{_NAME}(?P<rest>[\w-]{{0,40}}+)"
    rf"(?:{_WITHIN}(?P<close>\\*[\"']|%22|&quot;)\s{{0,8}}{_SIGN}\s{{0,8}}"
    rf"|(?:{_WITHIN}(?=[^\S\n]{{0,8}}(?:=|%(?:25)?3[Dd])))?(?P<before>[^\S\n]{{0,8}})(?P<sign>{_SIGN})(?P<gap>[^\S\n]{{0,8}}))"
)
_OPTION: Final = re.compile(
    rf"(?<![\w-])--?(?:[A-Za-z][\w-]{{0,40}}[-_])?{_NAME}[\w-]{{0,20}}+(?:\\*[\"'][^\S\n]?,\s{{0,4}}|[^\S\n]{{1,4}})(?!-)"
)
_PROSE_AFTER_OPTION: Final = re.compile(
    r"(?:is|are|was|to|or|and|requires?|needs?|must|not|option|flag|argument|from|for|in|with|instead|has)\b"
)
_QUOTED_BESIDE: Final = re.compile(
    r"(?i:(?:passw(?:or)?d|passphrase|pwd|secret)\w{0,20}+|identified\s{1,3}by)\s{1,3}"
    r"(?:(?i:like|is|in|was|with)\s{0,3}\(?\s{0,2}|(?i:for)\s{1,3}\S{1,80}+\s{0,3}=\s{0,3})?(?=[\"'])"
)
_PAIR: Final = re.compile(
    r"(?:\(|(?<=[\[,])\[|(?<=, )\[)\s?b?\\*[\"']"
    rf"(?:[\w-]{{0,40}}?{_NAME}[\w-]{{0,20}}+|(?i:(?:proxy-)?authorization|(?:set-)?cookie))"
    r"\\*[\"'],\s{0,4}(?=b?\\*[\"'])"
)
_NAME_AND_VALUE: Final = re.compile(
    rf"(?i:name|key|id|field)\\*[\"']?\s{{0,2}}[:=]\s{{0,2}}\\*[\"']?[\w.-]{{0,40}}?{_NAME}[\w.-]{{0,20}}+"
    r"\\*[\"']?[\s,;]{1,4}\\*[\"']?(?i:value)\\*[\"']?\s{0,2}[:=]\s{0,2}"
)
_ELEMENT: Final = re.compile(
    rf"<(?:[\w.-]{{1,40}}:)?[\w.-]{{0,40}}?{_NAME}[\w.-]{{0,20}}(?:\s[^<>]{{0,200}})?>(?:<!\[CDATA\[)?([^<>]++)<"
)
_HEADER: Final = re.compile(
    r"(?i:(?<![a-z])(?:proxy-)?authorization)\\*[\"']?\s{0,4}[:=]\s{0,4}(?:b?\\*[\"'])?"
    r"(?:(?i:(?P<scheme>basic|bearer|token|apikey|api-key|negotiate|ntlm|digest|aws4-hmac-sha256))(?:\s{1,2}|%20|\+))?"
    r"(?P<value>[^\s\"',;<>)\]}\\]++)(?P<rest>[^\n\"'<>]*+)"
)
_COOKIE: Final = re.compile(
    r"(?i:(?<![a-z])(?:set-)?cookie)\\*[\"']?\s{0,4}[:=]\s{0,4}(?:b?\\*[\"'])?([^\s=\"'<>;]++=[^\n\"'<>\\]*+)"
)
_IN_URL: Final = re.compile(
    r"[?&;](?:amp;)?(?:(?P<sure>(?i:sig|signature|[\w-]{1,40}-(?:signature|credential)|sessionid|jsessionid"
    r"|session_id|pass|pw))|(?i:key|code|state|auth|sid|session|assertion|[\w-]{1,40}_assertion))="
    r"(?P<value>[^\s&;#\"'<>]++)"
)
_CURL_USER: Final = re.compile(
    r"(?<![\w-])(?:-u|--user|--proxy-user)[\s=\\\"',]{1,4}[^\s:\"']{1,64}+:([^\s\"'\\]++)"
)
_WORDS: Final = (
    *(
        "passw",
        "passphrase",
        "passcode",
        "secret",
        "pwd",
        "token",
        "api_key",
        "api-key",
        "apikey",
        "access_key",
    ),
    *("access-key", "accesskey", "private_key", "private-key", "privatekey", "credit_card", "credit-card"),
    *("creditcard", "identified"),
)
_ODD: Final = re.compile(r"\d|[^\w\s.:-]")
_COUNTS: Final = re.compile(r"(?:[\[\]{}(),\s\d.]|\\*[\"'][\w-]++\\*[\"']\s?:)++")
_WORD_MIN: Final = 6
_RANDOM_MIN: Final = 8


def find_userinfo(text: str) -> Iterator[Span]:
    """The password in `scheme://user:password@host`, and what stands alone before a host of HTTP's."""
    if "://" not in text:
        return
    for match in _USERINFO.finditer(text):
        at = match[2].rfind("@")
        slash = match[2].find("/")
        if 0 <= slash < at and _PORT.match(match[2]):  # a port, and an @ in the path
            at = match[2].rfind("@", 0, slash)
        if at > 0:
            yield match.start(2), match.start(2) + at
    for match in _TOKEN_BEFORE_HOST.finditer(text):
        if _LOOKS_RANDOM.search(match[1]):
            yield match.span(1)


def find_credential(text: str) -> Iterator[Span]:
    """Tokens after their scheme or in headers, and values after a name that says that they are secret."""
    lower = text.lower()
    found: list[Span] = []
    if "bearer" in lower or "authorization" in lower:
        found += _after_scheme(text)
    if "cookie" in lower:
        found += [match.span(1) for match in _COOKIE.finditer(text)]
        found += _quoted_after(_PAIR, text)
    if "?" in text or "&" in text or ";" in text:
        found += _in_url(text)
    if "curl" in lower:
        found += [match.span(1) for match in _CURL_USER.finditer(text)]
    for word in _WORDS:  # far cheaper than the expressions, which seldom find anything
        if word in lower:
            found += _after_name(text)
            found += _in_other_forms(text)
            break
    return _united(found)


def _united(found: list[Span]) -> Iterator[Span]:
    """Spans in order; those that overlap are one."""
    start = end = 0
    for begins, ends in sorted(found):
        if begins < end:
            end = max(end, ends)
            continue
        if start < end:
            yield start, end
        start, end = begins, ends
    if start < end:
        yield start, end


def _after_scheme(text: str) -> Iterator[Span]:
    for match in _SCHEME.finditer(text):
        if match[0][0] in "aA" or len(match[1]) >= 20 or _LOOKS_RANDOM.search(match[1]):
            yield match.span(1)
    for match in _HEADER.finditer(text):
        scheme = (match["scheme"] or "").lower()
        if scheme in ("digest", "aws4-hmac-sha256") and "=" in match[0]:
            yield match.start("value"), match.end("rest")
        elif scheme or (len(match["value"]) >= _RANDOM_MIN and _LOOKS_RANDOM.search(match["value"])):
            yield match.span("value")
    yield from _quoted_after(_PAIR, text)


def _in_url(text: str) -> Iterator[Span]:
    for match in _IN_URL.finditer(text):
        value = match["value"]
        if match["sure"] or (len(value) >= _RANDOM_MIN and _LOOKS_RANDOM.search(value)):
            yield match.span("value")


def _after_name(text: str) -> Iterator[Span]:
    end = 0
    for match in _NAMED.finditer(text):
        if match.start() < end:  # within a value, or what was no value
            continue
        value = read_value(text, match.end())
        if value is None:
            continue
        decision = _is_secret(text, match, value)
        if decision is None:
            continue
        end = value.span[1]
        if decision:
            yield value.span


def _is_secret(text: str, name: re.Match[str], value: Value) -> bool | None:
    """Whether what follows a name is a secret; None when what is within it must be looked at itself.

    `name=value` and `"name": value` are; of `name: value`, which is also how sentences go on ("token: expected )"),
    only what does not look like a word.
    """
    start, end = value.span
    content = text[start:end]
    is_token = name[0][:5].lower() == "token"
    if "tokens" in name[0].lower() and _COUNTS.fullmatch(content):  # how many there were
        return None
    if value.is_quoted or name["close"]:
        return True
    is_tight = not name["gap"] and not name["before"]
    if value.is_container:
        return True if name["sign"] != ":" and (is_tight or not is_token) else None
    if name["sign"] != ":" or is_tight:
        if name["sign"] == "=" and is_tight:
            return True
        if not is_token:
            return True
    is_odd = _ODD.search(content) is not None
    return is_odd if len(content) >= _WORD_MIN or not is_odd else None


def _in_other_forms(text: str) -> Iterator[Span]:
    """Options of commands, pairs, elements, `PASSWORD 'x'` of SQL."""
    for match in _OPTION.finditer(text):
        value = read_value(text, match.end())
        if value is not None and (value.is_quoted or not _PROSE_AFTER_OPTION.match(text, match.end())):
            yield value.span
    yield from _quoted_after(_QUOTED_BESIDE, text)
    yield from _quoted_after(_PAIR, text)
    for match in _NAME_AND_VALUE.finditer(text):
        value = read_value(text, match.end())
        if value is not None:
            yield value.span
    if "</" in text or "]]>" in text:
        for match in _ELEMENT.finditer(text):
            if match[1].strip():
                yield match.span(1)


def _quoted_after(expression: re.Pattern[str], text: str) -> Iterable[Span]:
    for match in expression.finditer(text):
        value = read_value(text, match.end())
        if value is not None and value.is_quoted:
            yield value.span


USERINFO: Final = Pattern(KIND, MASK, AT, find_userinfo)
CREDENTIAL: Final = Pattern(KIND, MASK, NAMED, find_credential)
