"""One invocation for each page of a long text, many at a time, with `map` or with Dask.

    pip install 'streamify[client,pandas,dask]'

With `map`, a page that fails does not stop the others; the error is raised at the end.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from streamify_server import streaming_handler

if TYPE_CHECKING:
    from streamify_client import StreamClient


@streaming_handler
def handler(event: dict[str, Any], context: Any) -> Iterator[str]:
    """Count the words of one page; yield a CSV line for each word."""
    yield "word,count\n"
    words = event["page"].lower().split()
    for word in sorted(set(words)):
        yield f"{word},{words.count(word)}\n"


def longest_pages(client: "StreamClient", pages: list[str]) -> list[tuple[int, int]]:
    """Return page numbers and their numbers of words, longest first. A failed page does not stop the others.

    Raises:
        ExceptionGroup: The errors of all failed pages, after the other pages have been read.
    """
    found, failed = [], []
    for item in client.map("fan_out", [{"page": page} for page in pages], concurrency=8):
        if item.error is not None:
            failed.append(item.error)
        else:
            lines = item.value.splitlines()[1:]
            found.append((item.index, sum(int(line.rpartition(",")[2]) for line in lines)))
    if failed:
        raise ExceptionGroup(f"{len(failed)} of {len(pages)} pages failed", failed)
    return sorted(found, key=lambda each: -each[1])


def word_counts(pages: list[str], client_options: dict[str, Any]) -> dict[str, int]:
    """Count the words of all pages with Dask; each partition is read on the worker that needs it."""
    from streamify_client import dask

    frame = dask.read_csv("fan_out", [{"page": page} for page in pages], client_options=client_options)
    counts = frame.groupby("word")["count"].sum().compute()
    return {str(word): int(count) for word, count in counts.items()}
