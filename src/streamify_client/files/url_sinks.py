"""Targets on the file systems of fsspec."""

import contextlib
import secrets
from pathlib import Path
from typing import Any

from streamify_client._extras import require
from streamify_client.errors import ConfigurationError

_PART_SIZE = 8 * 1024 * 1024
"""Bytes of an upload's part, which is what stays in memory; S3 takes 10,000 parts of at least 5 MiB."""


def open_filesystem(url: str) -> tuple[Any, str]:
    """Return the file system that a URL names, and the path in it.

    Raises:
        ConfigurationError: fsspec is missing, does not know the URL's kind, or misses a package for it.
    """
    fsspec = require("fsspec", "A URL as a target", "fsspec")
    try:
        return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:
        raise ConfigurationError(f"fsspec cannot open {url.partition('://')[0]}:// URLs: {error}.") from error


def protocols(filesystem: Any) -> set[str]:
    """Return the names by which URLs call a file system."""
    names = filesystem.protocol
    return {names} if isinstance(names, str) else set(names)


def local_path(filesystem: Any, path: str) -> Path | None:
    """Return the path of a file on this machine, else None."""
    return Path(path) if "file" in protocols(filesystem) else None


class DeferredSink:
    """An S3 object: an upload that is completed when the body is complete, and otherwise aborted.

    fsspec's transactions are not used: they are state of a file system object that others share.
    """

    text = False

    def __init__(self, filesystem: Any, path: str, overwrite: bool) -> None:
        # s3fs makes an "x" a conditional write: S3 itself refuses if the object has come to exist.
        self._filesystem, self._path, self._overwrite = filesystem, path, overwrite
        mode = "wb" if overwrite else "xb"
        self._file = filesystem.open(path, mode, block_size=_PART_SIZE, autocommit=False)

    def write(self, data: Any) -> None:
        """Take a chunk."""
        self._file.write(data)

    def commit(self) -> None:
        """Complete the upload."""
        self._file.close()
        try:
            self._file.commit()
        except OSError as error:  # s3fs tells of a condition that failed as of an invalid argument
            self._filesystem.invalidate_cache(self._path)
            if self._overwrite or not self._filesystem.exists(self._path):
                raise
            raise FileExistsError(f"s3://{self._path} was created meanwhile, and overwrite=False.") from error

    def discard(self) -> None:
        """Abort the upload."""
        try:
            self._file.close()
        finally:
            self._file.discard()


class TemporaryKeySink:
    """An object in another store: written under a temporary name and then moved."""

    text = False

    def __init__(self, filesystem: Any, path: str, overwrite: bool) -> None:
        self._filesystem = filesystem
        self._final = path
        self._overwrite = overwrite
        parent, slash, _ = path.rpartition("/")
        self._part = f"{parent}{slash}.{secrets.token_hex(8)}.part"
        self._file = filesystem.open(self._part, "wb")

    def write(self, data: Any) -> None:
        """Take a chunk."""
        self._file.write(data)

    def commit(self) -> None:
        """Give the object its name."""
        self._file.close()
        if not self._overwrite and self._filesystem.exists(self._final):
            raise FileExistsError(f"{self._final} was created meanwhile, and overwrite=False.")
        self._filesystem.mv(self._part, self._final)

    def discard(self) -> None:
        """Remove the object."""
        try:
            self._file.close()
        finally:
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.rm_file(self._part)
