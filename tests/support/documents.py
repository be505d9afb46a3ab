"""How the code of a documentation page is run: as a reader would paste it, into an empty folder.

A block whose first line is `# NAME.py` is a file that the reader saves; all others run one after the other in
one session. Nothing else is there: no functions, no client, no environment variables for boto3. With hidden
setup, pages would work in the tests but not for readers; this way each page repeats a few lines.
"""

import contextlib
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

from sybil import Document, Example, Region
from sybil.parsers.markdown import PythonCodeBlockParser

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
FILE_NAME = re.compile(r"# ([\w./-]+\.py)\n")
NO_ACCOUNT = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}


class PageParser:
    """The Python blocks of a page: files to save, and code to run."""

    def __call__(self, document: Document) -> Iterable[Region]:
        for region in PythonCodeBlockParser()(document):
            if isinstance(region.parsed, str) and FILE_NAME.match(region.parsed):
                region.evaluator = save
            yield region


def save(example: Example) -> None:
    """Write a block to the file that its first line names."""
    source = str(example.parsed)
    named = FILE_NAME.match(source)
    assert named is not None
    Path(named[1]).write_text(source, encoding="utf-8")


def open_page(namespace: dict[str, Any]) -> None:
    """Enter a scratch folder, with examples/ for pages that ask for a clone; `close_page` leaves it."""
    around = contextlib.ExitStack()
    folder = around.enter_context(tempfile.TemporaryDirectory())
    shutil.copytree(EXAMPLES, Path(folder) / "examples")
    around.enter_context(contextlib.chdir(folder))
    around.enter_context(mock.patch.dict(os.environ, NO_ACCOUNT))
    around.enter_context(mock.patch.object(sys, "path", ["", *sys.path]))
    around.callback(_forget_modules)
    namespace.update(__around=around, __running=_running())


def close_page(namespace: dict[str, Any]) -> None:
    """Leave everything that `open_page` entered, in reverse."""
    around: contextlib.ExitStack = namespace.pop("__around")
    running: int = namespace.pop("__running")
    namespace.clear()
    around.close()
    assert _running() <= running, "the page leaves a LocalLambda running: its last block calls aws.stop()"


def _forget_modules() -> None:
    """The next page has files of the same names."""
    for path in Path.cwd().glob("*.py"):
        sys.modules.pop(path.stem, None)


def _running() -> int:
    return sum(thread.name == "LocalLambda" for thread in threading.enumerate())
