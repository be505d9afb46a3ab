"""The inspector's page in a real browser: live, escaped, by keyboard, in light and dark."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from streamify_server.local import LocalLambda
from streamify_server.local.inspector.page import Inspector
from streamify_server.local.loop_thread import LoopThread
from support.browser import Browser
from support.local import Gate, add_steps, boto3_client, steps
from support.waterfalls import gallery, invocation

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
        self._thread = LoopThread("gallery")
        about = {"region": "us-east-1", "endpoint": "http://127.0.0.1:8700"}
        self._inspector = self._thread.call(lambda: Inspector(payloads=payloads, about=about))
        self._thread.run(self._inspector.open())

    @property
    def url(self) -> str:
        return self._inspector.url

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
    page.until("document.querySelectorAll('#invocations tr').length === 9")
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
    assert hints == ["", "gap", "buffered-caller", "", "", "", "", "one-piece", "burst"]
    page.evaluate("document.querySelectorAll('#invocations tr')[8].focus()")
    assert text_of(page, "#hint").startswith(
        "All 40 chunks left within 16 ms, after 2.31 s of silence: buffered?"
    )


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
    page.until("document.querySelectorAll('#invocations tr').length === 10")
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_of_the_page_is_taken(page: Browser, shown: Gallery, tmp_path: Path, scheme: str) -> None:
    page.prefer(scheme)
    page.evaluate("document.querySelectorAll('#invocations tr')[1].focus()")
    page.evaluate("document.querySelectorAll('#chunks tr')[28].focus()")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    name = "inspector.png" if scheme == "light" else "inspector-dark.png"
    path = (Path(SCREENSHOT) if SCREENSHOT else tmp_path) / name
    page.screenshot(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    page.prefer("light")


def test_an_invocation_without_a_byte_shows_its_error_and_no_empty_tables(
    page: Browser, shown: Gallery
) -> None:
    page.evaluate("document.querySelectorAll('#invocations tr')[5].focus()")
    assert text_of(page, "#error-type") == "ValueError"
    assert text_of(page, "#error-message") == "rows must be positive"
    assert page.evaluate("document.querySelector('#chunks').checkVisibility()") is False
