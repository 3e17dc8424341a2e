"""Labelled lines for the patterns of redaction: secrets in the surroundings that logs give them, and what only looks
like one. Numbers are drawn with a fixed seed; the forms are written by hand."""

import random
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tamis.pipeline.processors.patterns.card import luhn
from tamis.pipeline.processors.patterns.iban import is_iban

SEED = 20261121


@dataclass(frozen=True, slots=True)
class Case:
    """A line; `kind` and `secret` are what must be found in it, or None."""

    text: str
    kind: str | None = None
    secret: str = ""


CONTEXTS = (
    "{}",
    "user {} logged in",
    "from={} status=ok",
    'payload {{"value": "{}", "n": 3}}',
    "sent to {}.",
    "({})",
    "value: {}, next",
    "retrying [{}] in 5 s",
    "2026-11-21T10:00:00Z INFO got '{}'",
    "a\n{}\nb",
    "<{}>",
    "x;{};y",
    'json {{\\"v\\":\\"{}\\"}}',
    "line\\n{} after an escaped line end",
    "Kunde {} – größer",
    "é {} ü",
    "GET /find?q={}&page=2",
    "'{}'",
    "{}, {{}}",
    "tab\t{}\tend",
)

EMAILS = (
    "bob@example.com",
    "alice.smith@mail.example.co.uk",
    "o'brien@example.ie",
    "x@y.de",
    "first+tag@gmail.com",
    "USER@EXAMPLE.ORG",
    "a_b-c.d@sub.domain.museum",
    "müller@example.de",
    "info@xn--mller-kva.de",
    "1234@numbers.io",
    "bob%40example.com",
    "root@mail-01.internal.example.net",
    "very.long.name.of.a.person@company-name.travel",
    "kontakt@bücher.example",
    "no-reply@service.app",
    "j@k.io",
    "jürgen.groß@firma.example",
    "q@sub-1.a.b.c.info",
    "name.lastname99@outlook.com",
    "dev@localhost.localdomain",
    "d.k+spam@e-mail.ph",
    "sales@1and1.com",
)
ADDRESSES = (
    "10.0.0.1",
    "192.168.1.254",
    "203.0.113.7",
    "8.8.8.8",
    "172.16.254.1",
    "255.255.255.0",
    "127.0.0.1",
    "1.1.1.1",
    "198.51.100.23",
    "93.184.216.34",
    "2001:db8::1",
    "fe80::1ff:fe23:4567:890a",
    "::1",
    "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
    "::ffff:192.0.2.128",
    "64:ff9b::192.0.2.33",
    "2a00:1450:4001:81b::200e",
    "fd12:3456:789a:1::1",
    "2606:4700:4700::1111",
    "100.64.3.9",
    "45.33.32.156",
    "66.249.66.1",
)
ADDRESS_LINES = (
    ("Connection from {}:51123 closed", 4),
    ("rhost={} user=root", 0),
    ("peer /{}:50010 gone", 4),
    ("host/{}:2181 up", 4),
    ("http://{}/index.html", 4),
    ("allow {}/24", 4),
    ("[{}]:8080 listening", 6),
    ("ip:{}", 4),
    ("{} - - [21/Nov/2026] 200", 0),
    ("src={} dst=web", 0),
    ("range {}-x", 4),
    ("ssh root@{}", 4),
    ("from {}, port 22", 0),
    ("inet {} netmask", 0),
)
"""A line, and the version of its addresses; 0: either."""
PHONES = (
    "+49 30 1234567",
    "+4917612345678",
    "+1 (555) 234-5678",
    "+1-555-234-5678",
    "+44 20 7946 0958",
    "+33 6 12 34 56 78",
    "(555) 234-5678",
    "555-234-5678",
    "1-800-555-1234",
    "06 12 34 56 78",
    "020 7946 0958",
    "0171/2345678",
    "030 12345678",
    "+41 44 668 18 00",
    "+81-3-1234-5678",
    "+86 138 0013 8000",
    "+91 98765 43210",
    "+61 2 9374 4000",
    "0161 496 0000",
    "(030) 1234567",
    "+49 (0)30 123456-78",
    "555.234.5678",
    "+420 601 123 456",
    "+7 495 123-45-67",
    "0033612345678",
)
PHONE_LINES = (
    "phone={}",
    "call {} now",
    "tel:{}",
    "Mobile number: {}",
    "contact {} or mail",
    '"phone": "{}"',
    "SMS to {} failed",
    "whatsapp {} sent",
    "Phone no. {}",
    "customer ({}) hung up",
)
NAMED_PHONES = ("5551234567", "017612345678", "2345678", "040123456")
NAMED_PHONE_LINES = (
    "phone={}",
    "tel: {}",
    '"mobile": "{}"',
    "phone number is {}",
    "fax {}",
    "msisdn={}",
    "call to {} ended",
)
IBANS = (
    "DE89370400440532013000",
    "GB29NWBK60161331926819",
    "FR1420041010050500013M02606",
    "NL91ABNA0417164300",
    "ES9121000418450200051332",
    "CH9300762011623852957",
    "AT611904300234573201",
    "IT60X0542811101000000123456",
    "BE68539007547034",
    "PL61109010140000071219812874",
    "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S",
    "SE4550000000058398257466",
    "DK5000400440116243",
    "FI2112345600000785",
    "PT50000201231234567890154",
    "IE29AIBK93115212345678",
    "LU280019400644750000",
    "SA0380000000608010167519",
    "TR330006100519786457841326",
)
CARDS = (
    "4111111111111111",
    "5555555555554444",
    "378282246310005",
    "6011111111111117",
    "30569309025904",
    "3530111333300000",
    "4012888888881881",
    "2223003122003222",
    "5105105105105100",
    "371449635398431",
    "6200000000000005",
    "4222222222222",
    "6759649826438453",
    "2200770212727079",
)
URLS = (
    ("postgres://app:{}@db:5432/shop", "s3cr3t"),
    ("https://bob:{}@example.com/x", "hunter2"),
    ("redis://:{}@cache:6379/0", "p4ss"),
    ("amqp://guest:{}@mq//", "guest"),
    ("mongodb+srv://u:{}@c0.mongodb.net", "a!b$c"),
    ("ftp://anonymous:{}@host/", "me@home"),
    ("mysql://root:{}@db-1/shop", "p:w"),
)
NAMED = (
    ("password={}", "hunter2"),
    ("password: {}", "hunter2!"),
    ('"password": "{}"', "correct horse"),
    ("PASSWORD='{}'", "a b"),
    ("db_password={} host=x", "xyz"),
    ("{{'api_key': '{}'}}", "abc123"),
    ("?token={}&x=1", "abcdef"),
    ("client_secret={}", "zzz"),
    ("aws_secret_access_key = {}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("apiKey={}", "k-1"),
    ('\\"token\\":\\"{}\\"', "abc"),
    ("Authorization: Bearer {}", "abcdefghijkl"),
    ("authorization: Basic {}", "dXNlcjpwYXNz"),
    ("bearer {}", "9f86d081884c7d65"),
    ("passwd={};", "top"),
    ("--password={} --user=x", "tiger"),
    ("secretKey: {}", "9aF!xx"),
    ("passphrase={}", "open"),
    ("Authorization=token {}", "abcdefgh12"),
    ("access_token={}", "ya29-aa"),
    ("pwd={},", "1q2w3e"),
    ("auth_token: '{}'", "x.y.z"),
    ("creditCard={}", "none"),
    ("PGPASSWORD={} psql", "pg"),
    ("curl -H 'Authorization: Bearer {}'", "tok_123456789"),
)


def _letters(chance: random.Random, count: int, alphabet: str = "") -> str:
    return "".join(
        chance.choices(alphabet or "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=count)
    )


def _b64(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _jwt(chance: random.Random) -> str:
    head = _b64('{"alg":"HS256","typ":"JWT"}')
    body = _b64('{"sub":"' + _letters(chance, 8) + '"}')
    return f"{head}.{body}.{_letters(chance, 43)}"


def _pem(chance: random.Random) -> str:
    kind = chance.choice(("RSA ", "", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA "))
    end = chance.choice(("\n", "\\n"))
    body = end.join(_letters(chance, 64) for _ in range(4))
    return f"-----BEGIN {kind}PRIVATE KEY-----{end}{body}{end}-----END {kind}PRIVATE KEY-----"


UPPER, HEX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdef"
CLOUD: tuple[Callable[[random.Random], str], ...] = (
    lambda c: "AKIA" + _letters(c, 16, UPPER),
    lambda c: "ASIA" + _letters(c, 16, UPPER),
    lambda c: "AIza" + _letters(c, 35),
    lambda c: "ghp_" + _letters(c, 36),
    lambda c: "github_pat_" + _letters(c, 22) + "_" + _letters(c, 59),
    lambda c: "xoxb-" + _letters(c, 12, "0123456789") + "-" + _letters(c, 24),
    lambda c: "sk_live_" + _letters(c, 24),
    lambda c: "rk_test_" + _letters(c, 24),
    lambda c: "glpat-" + _letters(c, 20),
    lambda c: "SG." + _letters(c, 22) + "." + _letters(c, 43),
    lambda c: "npm_" + _letters(c, 36),
    lambda c: "sk-proj-" + _letters(c, 48),
    lambda c: "sk-ant-api03-" + _letters(c, 60),
    lambda c: "hf_" + _letters(c, 34),
    lambda c: "AccountKey=" + _letters(c, 86) + "==",
    lambda c: "hooks.slack.com/services/T" + _letters(c, 8) + "/B" + _letters(c, 8) + "/" + _letters(c, 24),
    lambda c: "shpat_" + _letters(c, 32, HEX),
    lambda c: "dop_v1_" + _letters(c, 64, HEX),
    lambda c: "GOCSPX-" + _letters(c, 28),
    lambda c: "hvs." + _letters(c, 30),
    lambda c: _letters(c, 9, "0123456789") + ":AA" + _letters(c, 33),
    lambda c: "SK" + _letters(c, 32, HEX),
)


def positives() -> Iterator[Case]:
    """Every secret in several surroundings."""
    chance = random.Random(SEED)
    yield from _anywhere()
    yield from _addresses()
    yield from _phones(chance)
    yield from _grouped()
    yield from _keys(chance)
    for line, secret in URLS * 2 + NAMED * 2:
        yield Case(line.format(secret), "credential", secret)


def _anywhere() -> Iterator[Case]:
    plain = (("email", EMAILS), ("ip", ADDRESSES), ("phone", PHONES), ("iban", IBANS), ("card", CARDS))
    for kind, secrets in plain:
        for place, secret in enumerate(secrets):
            for step in range(3):
                context = CONTEXTS[(place * 3 + step) % len(CONTEXTS)]
                yield Case(context.format(secret), kind, secret)


def _addresses() -> Iterator[Case]:
    for number, (line, version) in enumerate(ADDRESS_LINES * 3):
        fitting = [address for address in ADDRESSES if version in (0, 6 if ":" in address else 4)]
        secret = fitting[number % len(fitting)]
        yield Case(line.format(secret), "ip", secret)


def _phones(chance: random.Random) -> Iterator[Case]:
    for line in PHONE_LINES:
        for secret in chance.sample(PHONES, 4):
            yield Case(line.format(secret), "phone", secret)
    for line in NAMED_PHONE_LINES:
        for secret in NAMED_PHONES:
            yield Case(line.format(secret), "phone", secret)


def _grouped() -> Iterator[Case]:
    for secret in IBANS:
        grouped = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
        yield Case(f"transfer to {grouped} booked", "iban", grouped)
    for secret in CARDS:
        if len(secret) == 16:
            for mark in (" ", "-"):
                grouped = mark.join(secret[at : at + 4] for at in range(0, 16, 4))
                yield Case(f"card {grouped} declined", "card", grouped)


def _keys(chance: random.Random) -> Iterator[Case]:
    for context in CONTEXTS * 2:
        yield Case(context.format(secret := _jwt(chance)), "jwt", secret)
        yield Case(context.format(secret := _pem(chance)), "private_key", secret)
    for number, make in enumerate(CLOUD * 3):
        yield Case(CONTEXTS[number % len(CONTEXTS)].format(secret := make(chance)), "cloud_key", secret)


def _uncarded(chance: random.Random, length: int) -> str:
    """A number of a card's length and beginning with a wrong check digit."""
    while True:
        digits = "4" + _letters(chance, length - 1, "0123456789")
        if not luhn(digits):
            return digits


def _unbanked(chance: random.Random) -> str:
    while True:
        text = "DE" + _letters(chance, 20, "0123456789")
        if not is_iban(text):
            return text


def _time(chance: random.Random) -> str:
    return f"{chance.randint(10, 23)}:{chance.randint(10, 59)}:{chance.randint(10, 59)}"


NEGATIVE_FORMS: tuple[Callable[[random.Random], str], ...] = (
    lambda c: f"version {c.randint(1, 9)}.{c.randint(0, 20)}.{c.randint(0, 99)}.{c.randint(0, 255)} started",
    lambda c: f"v{c.randint(1, 9)}.{c.randint(0, 20)}.{c.randint(0, 99)}.{c.randint(0, 255)}",
    lambda c: f"Mozilla/5.0 Chrome/{c.randint(90, 130)}.0.0.0 Safari/537.36",
    lambda c: f"pkg==1.{c.randint(0, 30)}.{c.randint(0, 9)}.{c.randint(0, 9)} installed",
    lambda c: f"openssl-1.{c.randint(0, 3)}.{c.randint(0, 3)}.{c.randint(0, 9)} updated",
    lambda c: f"firmware: {c.randint(1, 9)}.{c.randint(0, 9)}.{c.randint(0, 9)}.{c.randint(0, 9)}-rc1",
    lambda c: f"oid 1.3.6.1.4.1.{c.randint(100, 40000)}.{c.randint(1, 9)}",
    lambda c: f"section {c.randint(1, 9)}.{c.randint(1, 9)}.{c.randint(1, 9)} of the manual",
    lambda c: f"score 300.{c.randint(0, 255)}.{c.randint(0, 255)}.{c.randint(0, 255)}",
    lambda c: f"date {c.randint(10, 28)}.{c.randint(10, 12)}.20{c.randint(10, 26)}",
    lambda c: f"2026-11-{c.randint(10, 28)} {_time(c)},{c.randint(100, 999)}",
    lambda c: f"2026-11-{c.randint(10, 28)}T{_time(c)}.{c.randint(100000, 999999)}+00:00",
    lambda c: f"[{c.randint(10, 28)}/Nov/2026:{_time(c)} +0000] GET / 200 {c.randint(100, 99999)}",
    lambda c: f"at {c.randint(1_600_000_000, 1_899_999_999)} epoch seconds",
    lambda c: f"at {c.randint(1_600_000_000_000, 1_899_999_999_999)} epoch ms",
    lambda c: f"at {c.randint(1_600_000_000, 1_899_999_999)}.{c.randint(100_000, 999_999)}",
    lambda c: f"at {c.randint(1_600_000_000_000_000_000, 1_899_999_999_999_999_999)} ns",
    lambda c: f"order {c.randint(10**9, 10**10)} placed",
    lambda c: f"order_id={c.randint(10**11, 10**12)} total={c.randint(1, 999)}.{c.randint(10, 99)}",
    lambda c: f"transaction {_uncarded(c, 16)} done",
    lambda c: f"snowflake {c.randint(10**17, 2 * 10**18)} stored",
    lambda c: f"blk_-{c.randint(10**17, 9 * 10**18)} terminating",
    lambda c: f"invoice {c.randint(1000, 9999)}-{c.randint(10, 99)}-{c.randint(1000, 9999)}",
    lambda c: f"tracking 1Z{_letters(c, 16, UPPER)}",
    lambda c: f"account {_unbanked(c)} unknown",
    lambda c: f"reference DE{c.randint(10, 99)}-{c.randint(10**5, 10**6)}",
    lambda c: f"request {uuid.UUID(int=c.getrandbits(128), version=4)}",
    lambda c: f"commit {_letters(c, 40, HEX)}",
    lambda c: f"digest sha256:{_letters(c, 64, HEX)}",
    lambda c: f"trace_id={_letters(c, 32, HEX)} span_id={_letters(c, 16, HEX)}",
    lambda c: f"mac {':'.join(_letters(c, 2, HEX) for _ in range(6))} joined",
    lambda c: f"fingerprint {':'.join(_letters(c, 2, HEX) for _ in range(20))}",
    lambda c: f"guid {':'.join(_letters(c, 2, HEX) for _ in range(8))}",
    lambda c: f"std::vector<{_letters(c, 4)}>::push_back at 0x{_letters(c, 12, HEX)}",
    lambda c: f"elapsed {c.randint(10, 23)}:{c.randint(10, 59)}:{c.randint(10, 59)} of 24:00:00",
    lambda c: f"@{_letters(c, 6)} said hi, see logo@2x.png",
    lambda c: f"decorator @app.route('/x{c.randint(1, 99)}') on user@{_letters(c, 5, 'abcdefgh')}",
    lambda c: f"pip install tool@{c.randint(1, 9)}.{c.randint(0, 9)}.{c.randint(0, 9)}",
    lambda c: f"java.lang.Object@{_letters(c, 8, HEX)}",
    lambda c: f"token: expected ')' but found {c.choice(('name', 'end', 'colon'))}",
    lambda c: (
        f"Failed password for {c.choice(('root', 'invalid user admin'))} from port {c.randint(1024, 65535)} ssh2"
    ),
    lambda c: f"password: {c.choice(('required', 'too short', 'expired', 'must not be empty'))}",
    lambda c: f"tokens={c.randint(10, 9000)} prompt_tokens: {c.randint(10, 9000)}",
    lambda c: f"bearer {c.choice(('authentication required', 'token missing', 'scheme expected'))}",
    lambda c: f"the secret of {_letters(c, 6)}, a key for {c.choice(('lookup', 'sorting'))}: name",
    lambda c: f"-----BEGIN CERTIFICATE-----\n{_letters(c, 64)}\n-----END CERTIFICATE-----",
    lambda c: f"https://example.com:{c.randint(1024, 65535)}/a/b?page={c.randint(1, 99)}",
    lambda c: f"eyJ{_letters(c, 12)} is no token",
    lambda c: (
        f"range {c.randint(100, 999)}-{c.randint(100, 999)}, {c.randint(10, 99)}-{c.randint(100, 999)}-7"
    ),
    lambda c: f"{c.randint(100, 999)} {c.randint(100, 199)} {c.randint(1000, 9999)} items",
    lambda c: f"size +{c.randint(10**6, 10**7)} bytes, rss {c.randint(10**7, 10**9)}",
    lambda c: (
        f"numbers {c.uniform(0, 1):.12f} {c.uniform(100, 10000):.6f} {c.randint(0, 255)}.{c.randint(0, 255)}"
    ),
    lambda c: (
        f"thread-{c.randint(1, 99)}-{c.randint(1, 99)} pid {c.randint(1000, 99999)} tid 0x{_letters(c, 16, HEX)}"
    ),
    lambda c: f"s3://bucket/{_letters(c, 20)}/{uuid.UUID(int=c.getrandbits(128))}.parquet",
    lambda c: f"coordinates {c.uniform(-90, 90):.6f}, {c.uniform(-180, 180):.6f}",
)
EACH_FORM = 10


def negatives() -> Iterator[Case]:
    """Every form with ten values."""
    chance = random.Random(SEED + 1)
    for form in NEGATIVE_FORMS:
        for _ in range(EACH_FORM):
            yield Case(form(chance))
