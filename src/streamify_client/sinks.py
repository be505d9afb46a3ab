"""Where a stream can go as a whole: files."""

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def write_file(chunks: Iterable[bytes], path: str | os.PathLike[str]) -> None:
    """Write a body to a file; under its final name it is whole, or not there.

    The bytes go to a temporary file beside it, which takes the name when the last of them is on disk. On any
    error it is removed, and a file that had the name before stays as it was.
    """
    final = Path(path)
    part = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.replace(final)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
