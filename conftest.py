"""Runs the code of the README and of docs/ (see support/documents.py), and sets hypothesis up."""

import os

from hypothesis import settings
from sybil import Sybil
from sybil.parsers.markdown import SkipParser

from support.documents import PageParser, close_page, open_page

pytest_collect_file = Sybil(
    parsers=[PageParser(), SkipParser()],
    patterns=["README.md", "docs/*.md"],
    setup=open_page,
    teardown=close_page,
).pytest()

settings.register_profile(
    "suite",
    deadline=None,  # on a busy machine any example may take long
    derandomize="STREAMIFY_SAME_EXAMPLES" in os.environ,
)
settings.load_profile("suite")
