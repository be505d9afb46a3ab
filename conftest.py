"""Runs the code of the README and of docs/ (support/documents.py: how a page is run)."""

from sybil import Sybil
from sybil.parsers.markdown import SkipParser

from support.documents import PageParser, close_page, open_page

pytest_collect_file = Sybil(
    parsers=[PageParser(), SkipParser()],
    patterns=["README.md", "docs/*.md"],
    setup=open_page,
    teardown=close_page,
).pytest()
