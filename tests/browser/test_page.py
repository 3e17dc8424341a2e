"""The search page in a real browser; skipped where there is none (`make system-parts`)."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright import sync_api

from tests.support.commands import TOKEN, Server, running_server
from tests.support.parts import program

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # 64 MB in many containers
    "--disable-quic",
    "--disable-background-networking",
]
MARKUP = "<script>window.ran = 1</script><img src=x onerror='window.ran = 1'>"
START_S = 1_764_547_200
ROWS = "#records > .record > .row"


def records() -> Iterator[dict[str, Any]]:
    for n in range(300):
        level = "ERROR" if n % 10 == 0 else "INFO"
        message = f"connection {n} refused" if level == "ERROR" else f"order {n} placed"
        yield {"timestamp": START_S + n * 60, "level": level, "service": "shop", "message": message, "n": n}
    hostile = {"service": MARKUP, "weird": {MARKUP: MARKUP}}
    for message in (f"bad {MARKUP}", "bad user \u202egnp.exe", "bad " + "x" * 100_000, "bad \x1b[31m 🚀"):
        yield {"timestamp": START_S + 30_000, "level": "warning", "message": message, **hostile}


@pytest.fixture(scope="module")
def chromium() -> str:
    return str(program("chromium"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("page")) as made:
        body = "\n".join(map(json.dumps, records()))
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/x-ndjson"}
        answer = httpx2.post(f"{made.url}/api/v1/ingest", content=body, headers=headers)
        assert answer.json()["stored"] == 304
        yield made


@pytest.fixture(scope="module")
def session(chromium: str, server: Server) -> Iterator[Any]:
    """A browser that has signed in with the form."""
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(base_url=server.url, timezone_id="UTC")
        page = context.new_page()
        page.goto("/")
        page.fill("#token", TOKEN)
        page.click("button")
        page.wait_for_selector(ROWS)
        page.close()
        yield context
        browser.close()


@pytest.fixture
def page(session: Any) -> Iterator[Any]:
    """A page on which no script may fail and no policy may be broken."""
    opened = session.new_page()
    failures: list[str] = []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    opened.on(
        "console",
        lambda line: failures.append(line.text) if "Content Security" in line.text else None,
    )
    yield opened
    assert failures == []
    opened.close()


def count(page: Any, text: str) -> None:
    sync_api.expect(page.locator("#count")).to_have_text(text)


def test_a_record_has_a_link(page: Any) -> None:
    """Its details link to it; the link opens on it, with what stands around it, until something else is asked."""
    page.goto("/?q=message:130")
    count(page, "1 record")
    page.click(ROWS)
    link = page.locator("#records .details a", has_text="Link")
    page.goto(link.get_attribute("href"))
    shown = page.locator("#pinned .this")
    sync_api.expect(shown.locator(".message")).to_have_text("connection 130 refused")
    sync_api.expect(shown.locator(".details")).to_be_visible()
    sync_api.expect(page.locator("#pinned .neighbours > .record")).to_have_count(17)
    page.fill("#q", "refused")
    page.keyboard.press("Enter")
    count(page, "30 records")
    sync_api.expect(page.locator("#pinned")).to_be_hidden()
    assert "id=" not in page.url
    page.goto("/?id=nothing-1")
    sync_api.expect(page.locator("#pinned")).to_contain_text("id")


def test_a_link_as_of_a_moment_shows_that_moment(page: Any) -> None:
    """As alerts link to what fired them: what came later is not there, until something else is asked."""
    store = page.request.get("/api/v1/count").json()["as_of"].rpartition("-")[0]
    page.goto(f"/?q=refused&as_of={store}-101")
    count(page, "11 records")
    assert f"as_of={store}-101" in page.url
    page.fill("#q", "level:error")
    page.keyboard.press("Enter")
    count(page, "30 records")
    assert "as_of" not in page.url


def test_search_and_details(page: Any) -> None:
    """/ goes to the query, Enter asks, the words are marked; a row opens, and its value narrows the query."""
    page.goto("/")
    count(page, "304 records")
    page.keyboard.press("/")
    page.keyboard.type("refused")
    page.keyboard.press("Enter")
    count(page, "30 records")
    assert page.locator(f"{ROWS} mark").first.inner_text() == "refused"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    details = page.locator(".record.open .details")
    sync_api.expect(details.get_by_text("connection 280 refused", exact=True)).to_be_visible()
    details.get_by_role("button", name="280", exact=True).click()
    count(page, "1 record")
    assert page.input_value("#q") == 'refused n:="280"'
    page.go_back()
    count(page, "30 records")


def test_values_at_the_side_go_in_and_out(page: Any) -> None:
    """A click on a level asks for it, a second one no longer."""
    page.goto("/?q=shop+OR+service:shop")
    count(page, "300 records")
    page.locator("#levels button", has_text="ERROR").click()
    count(page, "30 records")
    assert page.input_value("#q") == "(shop OR service:shop) level:ERROR"
    page.locator("#levels button[aria-pressed=true]").click()
    count(page, "300 records")


def test_patterns_lead_to_their_records(page: Any) -> None:
    """A pattern's count is the count of what its click finds."""
    page.goto("/?tab=patterns")
    row = page.locator(".pattern", has_text="placed")
    sync_api.expect(row.locator(".number")).to_contain_text("270")
    row.click()
    count(page, "270 records")
    assert page.input_value("#q").startswith("pattern:p_")


def test_a_bar_narrows_the_time_and_the_link_keeps_it(page: Any) -> None:
    """What a bar holds is what its click finds, also when the address is opened anew; more rows follow."""
    page.goto("/?q=level:INFO")
    count(page, "270 records")
    page.locator("#more").scroll_into_view_if_needed()
    sync_api.expect(page.locator(ROWS).nth(199)).to_be_attached()
    page.evaluate("window.scrollTo(0, 0)")
    zone = page.locator("#histogram .zone").nth(2)
    zone.hover()
    held = page.locator("#tip .sum span").last.inner_text()
    zone.click()
    count(page, f"{held} records")
    page.goto(page.url)
    count(page, f"{held} records")


def test_records_are_text(page: Any) -> None:
    """No script of a record runs, marks that turn the text are named, and 100 KB in a line harm nobody."""
    page.goto("/?q=bad")
    count(page, "4 records")
    for at in range(4):
        page.locator(ROWS).nth(at).click()
    text = page.locator("#records").inner_text()
    assert MARKUP in text
    assert "U+202Egnp.exe" in text
    assert "\\x1b[31m 🚀" in text
    page.click("#tab-patterns")
    page.wait_for_selector(".pattern")
    assert page.locator("main script, main img").count() == 0
    assert page.evaluate("window.ran") is None
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_errors_and_nothing(page: Any) -> None:
    """A wrong query shows its column, nothing found says so, and a wide range is one click away."""
    page.goto("/?q=level:error+(")
    sync_api.expect(page.locator("#problem .caret")).to_be_visible()
    page.goto("/?q=refused&start=-1m")
    page.get_by_text("Search all time").click()
    count(page, "30 records")
    sync_api.expect(page.locator("#problem")).to_be_hidden()


def test_conditions_of_queries(page: Any) -> None:
    """Conditions are told from parts of others; words are what stands in messages."""
    page.goto("/docs")
    cases = page.evaluate("""async () => {
      const { has, narrowed, toggled, words } = await import("/assets/query.js");
      return [
        has("NOT a:=b", "a:=b"), has("a:=bc", "a:=b"), has("x (a:=b)", "a:=b"), has('x a:="b c"', 'a:="b c"'),
        narrowed("a OR b", "c"), narrowed('"a OR b" | limit 3', "c"),
        toggled('x  a:=b "p  q"', "a:=b"), toggled("a:=b", "a:=b"), toggled("a:=b | stats count()", "a:=b"),
        words('one "two three" NOT four -five six* level:error service:="a b" message:seven n>3 (eight OR nine)'),
      ];
    }""")
    assert cases == [
        False, False, False, True, "(a OR b) c", '"a OR b" c | limit 3',
        'x "p  q"', "", "* | stats count()", ["one", "two three", "six", "seven", "eight", "nine"],
    ]  # fmt: skip
