"""A page in a real browser: EventSource and fetch, over a local Function URL."""

from support.browser import Browser

from .conftest import Serve


def test_a_page_reads_events_and_text(serve: Serve) -> None:
    url = serve("browser")
    with Browser() as browser:
        browser.open(url)
        browser.until("events.dataset.ended && text.dataset.ended")
        shown = browser.evaluate(
            "[events.textContent, events.dataset.ended, text.textContent, text.dataset.ended]"
        )
        assert shown == ["one two three ", "done", "größe 数据 🙂 ", "done"]
        assert browser.problems == []
