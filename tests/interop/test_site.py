"""The site of the documentation, built and looked at in Chromium."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.browser import Browser

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
OUTSIDE = """(() => {
    const inside = (node) => {
        const overflow = node && getComputedStyle(node).overflowX;
        return node && (overflow === 'auto' || overflow === 'scroll' || inside(node.parentElement));
    };
    const wide = [...document.querySelectorAll('.md-content pre > code, .md-typeset__scrollwrap')]
        .filter((node) => node.scrollWidth > node.clientWidth + 1);
    const cut = [...document.querySelectorAll('.md-content *')]
        .filter((node) => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth + 0.5)
        .filter((node) => !inside(node.parentElement));
    return [...wide, ...cut].map((node) => `${node.tagName}: ${node.textContent.trim().slice(0, 60)}`);
})()"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    site = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(site)]
    subprocess.run(build, cwd=ROOT, check=True)
    return sorted(site.rglob("index.html"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.mark.parametrize("width", [1300, 390])
def test_nothing_on_any_page_is_cut_off_or_has_to_be_scrolled_into_view(
    pages: list[Path], browser: Browser, width: int
) -> None:
    assert len(pages) > 30
    browser.resize(width, 900)
    for page in pages:
        browser.open(page.as_uri())
        assert browser.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, page
        assert browser.evaluate(OUTSIDE) == [], page
