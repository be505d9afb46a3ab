"""A page in a real browser: EventSource and fetch, over a local Function URL."""

from typing import Literal

import pytest

from streamify_server.local import Fault, LocalLambda
from support.browser import Browser

from .conftest import Serve

SHOWN = "[events.textContent, events.dataset.ended, lines.textContent, lines.dataset.ended]"


def shown(url: str) -> list[str]:
    with Browser() as browser:
        browser.open(url)
        browser.until("events.dataset.ended && lines.dataset.ended")
        texts: list[str] = browser.evaluate(SHOWN)
        if texts[1::2] == ["done", "done"]:
            assert browser.problems == []
    return texts


def test_a_page_reads_events_and_lines(serve: Serve) -> None:
    assert shown(serve("browser")) == ["one two three ", "done", "größe 数据 🙂 ", "done"]


def test_an_error_in_mid_stream_is_shown(serve: Serve) -> None:
    stopped = "The answer stopped in the middle."
    assert shown(serve("browser") + "?events=begun+fail&lines=begun+fail") == [
        "begun ",
        stopped,
        "begun ",
        stopped,
    ]


def test_a_model_that_stalls_is_shown(serve: Serve) -> None:
    url = serve("another_model", timeout=5, RECIPE="browser", MODEL_DOES="stall")
    stopped = "The answer stopped in the middle."
    assert shown(url) == ["begun ", stopped, "begun ", stopped]


@pytest.mark.parametrize("cut", ["clean", "rst"])
def test_an_answer_that_is_cut_off_is_shown(
    aws: LocalLambda, serve: Serve, cut: Literal["clean", "rst"]
) -> None:
    url = serve("browser")
    aws.inject("browser", Fault(), times=1)  # the page itself
    aws.inject("browser", Fault(cut_after=20, cut=cut), times=2)
    _, of_events, _, of_lines = shown(url)
    assert of_events == "The answer was cut off."
    assert of_lines in ("The answer was cut off.", "network error")
