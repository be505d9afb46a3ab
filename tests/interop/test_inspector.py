"""The inspector's page in a real browser: live, escaped, by keyboard, in light and dark."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from streamify_server.local import LocalLambda
from streamify_server.local.inspector.server import Inspector
from streamify_server.local.loop_thread import LoopThread
from streamify_server.local.stream_parts import StreamPart
from support.browser import Browser
from support.local import Gate, add_steps, boto3_client, steps
from support.waterfalls import VERIFIED, frame, gallery, invocation

pytestmark = pytest.mark.interop

# Where to put the picture that the docs show; without it, none is kept.
SCREENSHOT = os.environ.get("STREAMIFY_SCREENSHOT")
CONTRAST = Path(__file__).parent.parent / "support" / "contrast.js"
SELECTED = "document.querySelector('#invocations [aria-selected=true] .name strong')?.textContent"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        running.resize(1440, 900)
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Browser]:
    browser.problems.clear()
    browser.requested.clear()
    yield browser
    browser.open("about:blank")


class Gallery:
    """An inspector that is told of invocations by the test."""

    def __init__(self, *, payloads: bool = True) -> None:
        self.replayed: list[str] = []
        self.refusal: str | None = None
        self._thread = LoopThread("gallery")
        about = {"region": "us-east-1", "endpoint": "http://127.0.0.1:8700"}
        self._inspector = self._thread.call(
            lambda: Inspector(payloads=payloads, about=about, replay=self._replay)
        )
        self._thread.run(self._inspector.open())

    @property
    def url(self) -> str:
        return self._inspector.url

    def _replay(self, request_id: str) -> str | None:
        self.replayed.append(request_id)
        return self.refusal

    def tell(self, events: Iterator[Any]) -> None:
        for event in events:
            self._thread.call(self._inspector.observe, event)

    def close(self) -> None:
        self._thread.run(self._inspector.close())
        self._thread.close()


@pytest.fixture
def shown(page: Browser) -> Iterator[Gallery]:
    """All kinds of invocations, on the page."""
    made = Gallery()
    made.tell(gallery(time.time()))
    page.open(made.url)
    page.until("document.querySelectorAll('#invocations tr').length === 10")
    yield made
    made.close()


def text_of(page: Browser, selector: str) -> str:
    return str(page.evaluate(f"document.querySelector('{selector}').textContent"))


def test_a_chunk_is_seen_before_the_function_sends_the_next(page: Browser, tmp_path: Path) -> None:
    gate = Gate(tmp_path)
    with LocalLambda() as aws:
        add_steps(aws)
        page.open(aws.inspector())
        page.until("document.querySelector('#connection').textContent === 'Live'")
        client = boto3_client(aws)
        payload = steps(["write", "first "], ["await", gate.path], ["write", "second"], ["end"])
        answer = client.invoke_with_response_stream(FunctionName="steps", Payload=payload)
        page.until("document.querySelector('#text')?.textContent === 'first '")
        assert "running" in text_of(page, "#badges")
        gate.open()
        list(answer["EventStream"])
        client.close()
        page.until("document.querySelector('#badges').textContent.includes('✓ ok')")
        page.until("document.querySelector('#text').textContent === 'first second'")
        assert page.evaluate("document.querySelectorAll('#chunks tr').length") == 2
    page.until("document.querySelector('#connection').dataset.state === 'lost'")


def test_a_chunk_that_holds_markup_is_text(page: Browser, shown: Gallery) -> None:
    hostile = b"<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
    options: dict[str, Any] = {"payload": b'"<script>hacked=1</script>"', "content_type": "<i>text</i>"}
    options |= {"status": "error", "error_type": "<u>Error</u>"}
    shown.tell(invocation(20, time.time(), [(0.1, hostile)], function="<b>fn</b>", **options))
    page.until(f"{SELECTED} === '<b>fn</b>'")
    page.until("document.querySelector('#text')?.textContent !== ''")
    assert text_of(page, "#text") == hostile.decode()
    assert page.evaluate("window.hacked") is None
    assert (
        page.evaluate("document.querySelectorAll('main :is(b, i:not([class]), u, img, script)').length") == 0
    )
    assert page.problems == []


def test_responses_that_do_not_stream_are_told_from_those_that_do(page: Browser, shown: Gallery) -> None:
    hints = page.evaluate("[...document.querySelectorAll('#invocations tr')].map(row => row.dataset.hint)")
    assert hints == ["", "gap", "buffered-caller", "", "", "", "", "", "one-piece", "burst"]
    page.evaluate("document.querySelectorAll('#invocations tr')[9].focus()")
    assert text_of(page, "#hint").startswith(
        "All 40 chunks left within 16 ms, after 2.31 s of silence: buffered?"
    )


def test_the_parts_of_one_stream_lead_to_each_other(page: Browser, shown: Gallery) -> None:
    over = [(0.1, frame("data", b"one ")), (0.2, frame("end", {"continues": True}))]
    first = list(invocation(30, time.time(), over, content_type=VERIFIED))
    part = StreamPart(2, first[0].request_id or "")
    shown.tell(iter(first))
    shown.tell(invocation(31, time.time(), [(0.1, b"two")], part=part))
    page.until("document.querySelectorAll('#parts button').length === 2")
    assert text_of(page, "#parts").startswith("Part 2 of one stream.")
    assert "part 2" in text_of(page, "#invocations [aria-selected=true] .aside")
    page.evaluate("document.querySelector('#parts button').click()")
    assert text_of(page, "#parts").startswith("Part 1 of one stream, which goes on in another.")
    assert text_of(page, "#chunks tr:last-child .kind") == "end, goes on"
    assert "part 1" in text_of(page, "#invocations [aria-selected=true] .aside")
    page.evaluate("document.querySelectorAll('#invocations tr')[5].focus()")
    assert page.evaluate("document.querySelector('#parts').hidden") is True
    assert page.problems == []


def test_rows_are_chosen_with_the_keyboard(page: Browser, shown: Gallery) -> None:
    assert page.evaluate(SELECTED) == "assistant"
    for _ in range(5):
        if page.evaluate("document.activeElement.closest('#invocations') !== null"):
            break
        page.press("Tab")
    page.press("ArrowDown")
    page.press("ArrowDown")
    assert page.evaluate(SELECTED) == "export"
    assert page.evaluate("document.querySelector('#follow').getAttribute('aria-pressed')") == "false"
    page.press("End")
    assert page.evaluate(SELECTED) == "report"
    assert page.evaluate("document.querySelectorAll('#invocations tr[tabindex=\"0\"]').length") == 1
    for _ in range(5):
        if page.evaluate("document.activeElement.closest('#chunks') !== null"):
            break
        page.press("Tab")
    page.press("ArrowDown")
    assert page.evaluate("document.querySelector('#text .marked').textContent") == "1,LHR,51.4775,-0.4614\n"
    assert text_of(page, "#pointer").startswith("#2 · 2.31 s")


def test_the_newest_is_followed_until_another_is_chosen(page: Browser, shown: Gallery) -> None:
    page.evaluate("document.querySelectorAll('#invocations tr')[3].focus()")
    shown.tell(invocation(20, time.time(), [(0.1, b"a")], function="newest"))
    page.until("document.querySelectorAll('#invocations tr').length === 11")
    assert page.evaluate(SELECTED) == "page"
    page.evaluate("document.querySelector('#follow').click()")
    assert page.evaluate(SELECTED) == "newest"


def test_what_is_cleared_is_gone_from_the_page(page: Browser, shown: Gallery) -> None:
    page.evaluate("document.querySelector('#clear').click()")
    page.until("document.querySelectorAll('#invocations tr').length === 0")
    assert page.evaluate("document.querySelector('#empty').hidden") is False
    assert page.evaluate("document.querySelector('#selected').hidden") is True


def test_everything_that_can_be_focused_has_a_name(page: Browser, shown: Gallery) -> None:
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    seen = set()
    for node in nodes:
        properties = {field["name"]: field["value"].get("value") for field in node.get("properties", [])}
        role = node.get("role", {}).get("value")
        named = role in ("button", "grid", "image", "table", "region", "link")
        if not node["ignored"] and (named or (properties.get("focusable") and role != "RootWebArea")):
            seen.add(role)
            assert node.get("name", {}).get("value", "").strip(), node
    assert {"button", "grid", "image", "row"} <= seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(page: Browser, shown: Gallery, scheme: str) -> None:
    page.prefer(scheme)
    page.evaluate("document.querySelectorAll('#invocations tr')[1].focus()")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) is (scheme == "dark")
    assert page.evaluate(CONTRAST.read_text()) == []
    page.prefer("light")


def test_without_payloads_the_page_says_so_and_shows_none(page: Browser) -> None:
    quiet = Gallery(payloads=False)
    quiet.tell(gallery(time.time()))
    page.open(quiet.url)
    page.until("document.querySelectorAll('#chunks tr').length === 12")
    assert "streaming" not in page.evaluate("document.body.innerText")
    assert "switched off" in text_of(page, "#text-note")
    assert page.evaluate("document.querySelector('#payload-box').hidden") is True
    quiet.close()


def test_the_page_asks_no_other_host_and_breaks_none_of_its_rules(page: Browser, shown: Gallery) -> None:
    own = urlsplit(shown.url).netloc
    assert {urlsplit(url).netloc for url in page.requested} == {own}
    assert page.problems == []


def test_thousands_of_chunks_are_drawn_with_merged_neighbours(page: Browser, shown: Gallery) -> None:
    chunks = [(0.0001 * number, b"x") for number in range(5000)]
    shown.tell(invocation(20, time.time(), chunks, function="many"))
    page.until("document.querySelector('#metrics')?.textContent.includes('5,000')")
    bars = page.evaluate("document.querySelectorAll('#chunks tr').length")
    assert 500 <= bars <= 1000
    assert page.evaluate("document.querySelector('#text').textContent.length") == 5000
    numbers = (
        "[...new Set([...document.querySelectorAll('#chunks tr')].map(row => row.cells[0].textContent))]"
    )
    assert page.evaluate(numbers) == ["×8"]


def test_a_bar_that_grows_keeps_its_row(page: Browser, shown: Gallery) -> None:
    begin, head, *rest = invocation(20, time.time(), [(0.001 * number, b"x") for number in range(1500)])
    shown.tell(iter([begin, head, *rest[:1101]]))
    page.until("document.querySelector('#metrics')?.textContent.includes('1,101')")
    page.evaluate("document.querySelector('#chunks').rows[550].focus()")
    shown.tell(iter(rest[1101:]))
    page.until("document.querySelector('#metrics')?.textContent.includes('1,500')")
    rows = "[...document.querySelector('#chunks').rows]"
    assert page.evaluate(f"{rows}.map(row => row.cells[0].textContent)") == ["×2"] * 750
    assert page.evaluate(f"{rows}.findIndex(row => row.ariaSelected === 'true')") == 550
    assert page.evaluate("document.querySelector('#text').textContent.length") == 1500


WIDTHS = {390: 844, 1280: 800, 1440: 900}
# What is cut off without a way to scroll to it, and what lies outside of the page.
CLIPPED = """[...document.querySelectorAll('.bar, .bar *, .list, .detail, .detail *')]
    .filter((node) => !node.matches('.scroll, .scroll *, svg *'))
    .filter((node) => node.checkVisibility() && !node.closest('.visually-hidden'))
    .filter((node) => getComputedStyle(node).overflowX !== 'visible')
    .filter((node) => getComputedStyle(node).textOverflow !== 'ellipsis')
    .filter((node) => node.scrollWidth > node.clientWidth + 1)
    .map((node) => `${node.tagName} ${node.id} ${node.className}`)"""
OUTSIDE = """[...document.querySelectorAll('.bar *, .list *, .detail *')]
    .filter((node) => node.checkVisibility() && !node.closest('.visually-hidden, svg'))
    .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
    .map((node) => `${node.tagName} ${node.id} ${node.className}`)"""


@pytest.fixture(params=WIDTHS)
def sized(request: pytest.FixtureRequest, page: Browser, shown: Gallery) -> Iterator[Browser]:
    """The page on a telephone, a laptop and a desktop."""
    page.resize(request.param, WIDTHS[request.param])
    yield page
    page.resize(1440, 900)


def settle(page: Browser) -> None:
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.mark.parametrize("row", [1, 3, 5, 6])
def test_nothing_is_clipped_and_nothing_scrolls_sideways(sized: Browser, row: int) -> None:
    sized.evaluate(f"document.querySelectorAll('#invocations tr')[{row}].focus()")
    settle(sized)
    assert sized.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert sized.evaluate(OUTSIDE) == []
    assert sized.evaluate(CLIPPED) == []


LONG = "a" * 64
# What is written or drawn in the first row over something else of it.
OVERLAPPING = """(() => {
    const row = document.querySelector('#invocations tr');
    const named = ['.name strong', '.name .aside', '.of-duration', '.of-size .aside', '.shape'];
    const boxes = named.map((one) => {
        const found = row.querySelector(one);
        if (!one.startsWith('.of-')) return found.getBoundingClientRect();
        const written = document.createRange();
        written.selectNodeContents(found);
        return written.getBoundingClientRect();
    });
    const beside = (one, other) => one.right <= other.left || one.bottom <= other.top + 1;
    const apart = (one, other) => beside(one, other) || beside(other, one);
    return named.flatMap((one, i) => named.filter((_, j) => i < j && !apart(boxes[i], boxes[j])));
})()"""


def test_long_names_and_many_chunks_stay_in_their_columns(sized: Browser, shown: Gallery) -> None:
    error = json.dumps({"errorType": LONG, "errorMessage": "m"}).encode()
    chunks = [(0.3 + 0.0001 * number, b"x") for number in range(10_004)]
    options: dict[str, Any] = {"error": error, "status": "error", "request": f"GET /{LONG}"}
    shown.tell(invocation(20, time.time(), chunks, function=LONG, **options))
    sized.until("document.querySelector('#chart .error-label')?.textContent.includes('aaa')")
    settle(sized)
    assert sized.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert sized.evaluate(OUTSIDE) == []
    assert sized.evaluate(CLIPPED) == []
    assert sized.evaluate(OVERLAPPING) == []


def test_the_words_over_the_line_stand_side_by_side(sized: Browser, shown: Gallery) -> None:
    failed: dict[str, Any] = {"error": json.dumps({"errorType": LONG}).encode(), "status": "error"}
    shown.tell(invocation(20, time.time(), [(0.5, b"x"), (0.7, b"y")], function="wordy", **failed))
    sized.until("document.querySelector('#chart .error-label')?.textContent.includes('aaa')")
    settle(sized)
    labels = "['.zone-label', '.error-label'].map(one => document.querySelector(one).getBoundingClientRect())"
    silence, error = sized.evaluate(f"{labels}.map(box => [box.left, box.right])")
    assert silence[1] <= error[0]


def test_an_error_is_seen_in_the_list_the_chart_and_the_text(sized: Browser) -> None:
    row = "document.querySelectorAll('#invocations tr')[5]"
    assert sized.evaluate(f"{row}.querySelector('.failure').textContent") == "ConnectionResetError"
    assert sized.evaluate(f"{row}.querySelector('.shape-error').getBoundingClientRect().right < innerWidth")
    sized.evaluate(f"{row}.focus()")
    settle(sized)
    error = "getComputedStyle(document.documentElement).getPropertyValue('--error')"
    assert sized.evaluate(f"document.querySelector('#chart .error-end') !== null && {error} !== ''")
    assert text_of(sized, "#chart .error-label") == "✕ ConnectionResetError"
    failed = "✕ ConnectionResetError: the model hung up after 18 tokens"
    assert text_of(sized, "#text .failed") == failed
    last = "[...document.querySelectorAll('#chunks tr')].at(-1)"
    assert (
        sized.evaluate(f"[{last}.dataset.kind, {last}.querySelector('.kind').textContent]") == ["error"] * 2
    )
    # What reports the error is no progress of the response: the line stays below the sum of all bytes.
    assert text_of(sized, "#metrics").count("1.1 kB") == 1
    assert "797 B" in text_of(sized, "#chart")


def test_log_lines_stand_beside_the_chunks_and_on_the_time_axis(page: Browser, shown: Gallery) -> None:
    page.evaluate("document.querySelectorAll('#invocations tr')[1].focus()")
    settle(page)
    lines = page.evaluate("[...document.querySelectorAll('#log p')].map(row => row.textContent)")
    assert lines[1] == "50 msprompt of 2 characters"
    assert lines[-1].startswith("5.05 sREPORT RequestId")
    boxes = "['#chunks-pane', '#log-pane'].map(one => document.querySelector(one).getBoundingClientRect())"
    chunks, log = page.evaluate(f"{boxes}.map(box => [box.left, box.right, box.bottom])")
    assert log[0] >= chunks[1]
    assert log[2] <= 900
    assert (
        page.evaluate("document.querySelector('#chart .log-mark').getAttribute('d').match(/M/g).length") == 6
    )
    page.evaluate("document.querySelectorAll('#invocations tr')[9].focus()")
    settle(page)
    assert page.evaluate("document.querySelector('#log-pane').checkVisibility()") is False


def fill(page: Browser, text: str) -> None:
    value = "document.querySelector('#filter')"
    page.evaluate(f"{value}.value = {text!r}; {value}.dispatchEvent(new Event('input'))")
    settle(page)


@pytest.mark.parametrize(
    ("text", "shown_rows"),
    [
        ("", 10),
        ("assistant", 3),
        ("assistant ERROR", 1),
        ("reports/2026", 1),
        ("404", 1),
        ("positive", 1),
        ("00000007-5b0d", 1),
        ("nothing like it", 0),
    ],
)
def test_the_filter_shows_what_all_its_words_are_in(
    page: Browser, shown: Gallery, text: str, shown_rows: int
) -> None:
    fill(page, text)
    visible = "[...document.querySelectorAll('#invocations tr')].filter(row => row.checkVisibility()).length"
    assert page.evaluate(visible) == shown_rows
    assert page.evaluate("document.querySelector('#unmatched').checkVisibility()") is (shown_rows == 0)
    assert page.evaluate("document.querySelector('#selected').hidden") is (shown_rows == 0)


def test_what_does_not_match_the_filter_is_not_followed(page: Browser, shown: Gallery) -> None:
    page.press("/")
    assert page.evaluate("document.activeElement.id") == "filter"
    fill(page, "ticker")
    assert page.evaluate(SELECTED) == "ticker"
    shown.tell(invocation(20, time.time(), [(0.1, b"a")], function="other"))
    page.until("document.querySelectorAll('#invocations tr').length === 11")
    assert page.evaluate(SELECTED) == "ticker"
    shown.tell(invocation(21, time.time(), [(0.1, b"a")], function="ticker-2"))
    page.until(f"{SELECTED} === 'ticker-2'")


def test_a_replay_is_asked_for_and_what_refuses_it_is_told(page: Browser, shown: Gallery) -> None:
    page.evaluate("document.querySelectorAll('#invocations tr')[5].focus()")
    page.evaluate("document.querySelector('#replay').click()")
    page.until("document.querySelector('#follow').getAttribute('aria-pressed') === 'true'")
    page.evaluate("document.querySelectorAll('#invocations tr')[5].focus()")
    shown.refusal = "Rate Exceeded."
    page.evaluate("document.querySelector('#replay').click()")
    page.until("document.querySelector('#outcome').textContent === 'Rate Exceeded.'")
    assert shown.replayed == ["0000000a-5b0d-4c8e-9a59-0d6f3b1c7e42"] * 2


def test_a_replayed_invocation_runs_with_the_same_payload(page: Browser) -> None:
    with LocalLambda() as aws:
        add_steps(aws)
        page.open(aws.inspector())
        client = boto3_client(aws)
        client.invoke(FunctionName="steps", Payload=steps(["write", "again"], ["end"]))["Payload"].close()
        client.close()
        page.until("document.querySelectorAll('#invocations tr').length === 1")
        page.evaluate("document.querySelector('#replay').click()")
        page.until("document.querySelectorAll('#invocations tr').length === 2")
        page.until("document.querySelector('#badges').textContent.includes('✓ ok')")
        first, second = aws.invocations("steps")
        assert second.payload == first.payload
        assert text_of(page, "#request-id") == second.request_id


def test_the_request_id_is_copied(page: Browser, shown: Gallery) -> None:
    page.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    page.evaluate("document.querySelectorAll('#invocations tr')[1].focus()")
    page.evaluate("document.querySelector('#copy-id').click()")
    page.until("document.querySelector('#copy-id').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == text_of(page, "#request-id") == "00000008-5b0d-4c8e-9a59-0d6f3b1c7e42"


def test_an_invocation_is_exported_as_json(page: Browser, shown: Gallery) -> None:
    page.evaluate("document.querySelectorAll('#invocations tr')[5].focus()")
    settle(page)
    known = page.evaluate("fetch(document.querySelector('#export').href).then(answer => answer.json())")
    assert known["error"]["type"] == "ConnectionResetError"
    assert known["bars"][-1]["kind"] == "error"
    assert known["lines"][0]["line"] == "asking the model"


def test_characters_that_turn_or_hide_text_are_seen(page: Browser, shown: Gallery) -> None:
    turning = "user\u202egpj.exe"
    log = [(0.1, turning)]
    error = json.dumps({"errorType": turning, "errorMessage": turning}).encode()
    options: dict[str, Any] = {"payload": json.dumps(turning, ensure_ascii=False).encode(), "error": error}
    options |= {"log": log, "request": f"GET /{turning}", "content_type": turning, "status": "error"}
    shown.tell(invocation(20, time.time(), [(0.1, turning.encode())], function="turning", **options))
    page.until(f"{SELECTED} === 'turning'")
    page.until("document.querySelector('#log').textContent !== ''")
    said = page.evaluate("document.body.innerText + document.querySelector('#payload').textContent")
    assert "\u202e" not in said
    assert said.count("user\\u202egpj.exe") >= 7


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_the_page_are_taken(sized: Browser, tmp_path: Path, scheme: str) -> None:
    width = sized.evaluate("innerWidth")
    sized.prefer(scheme)
    row = 5 if width < 1440 else 1
    sized.evaluate(f"document.querySelectorAll('#invocations tr')[{row}].focus()")
    if width == 1440:
        sized.evaluate("document.querySelectorAll('#chunks tr')[28].focus()")
    settle(sized)
    if width == 390:
        # On a telephone the whole page, as far as it can be scrolled.
        sized.resize(width, sized.evaluate("document.documentElement.scrollHeight"))
        settle(sized)
    names = {390: "-narrow", 1280: "-error", 1440: ""}
    name = f"inspector{names[width]}{'-dark' if scheme == 'dark' else ''}.png"
    path = (Path(SCREENSHOT) if SCREENSHOT else tmp_path) / name
    sized.screenshot(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    sized.prefer("light")


def test_an_invocation_without_a_byte_shows_its_error_and_no_empty_tables(
    page: Browser, shown: Gallery
) -> None:
    page.evaluate("document.querySelectorAll('#invocations tr')[6].focus()")
    assert text_of(page, "#error-type") == "ValueError"
    assert text_of(page, "#error-message") == "rows must be positive"
    assert page.evaluate("document.querySelector('#chunks').checkVisibility()") is False
