"""Targets for whole streams: files, file objects, fsspec URLs.

A sink is opened before the function is invoked, so that a target that cannot be written costs no invocation.
Only the caller chooses names: a file name from the server is ignored.
"""

import contextlib
import io
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from streamify_client.errors import ConfigurationError

from .compression import Compression, Packer, format_of


class SupportsWrite(Protocol):
    """A file object, binary or text."""

    def write(self, data: Any, /) -> Any:
        """Take bytes, or take str."""


Target = str | os.PathLike[str] | SupportsWrite
"""A path, a URL of fsspec's (with ``://``), or a file object."""


class Sink(Protocol):
    """The target of a body; under its final name the body is complete or does not exist."""

    @property
    def text(self) -> bool:
        """Whether it takes str and not bytes."""
        ...

    def write(self, data: Any) -> None:
        """Take a chunk."""

    def commit(self) -> None:
        """The body is complete: give it its name."""

    def discard(self) -> None:
        """The body is not complete: leave nothing behind."""


@contextlib.contextmanager
def opened_sink(
    target: Target, *, overwrite: bool = True, compression: Compression | None = "infer"
) -> Iterator[Sink]:
    """Open a sink; commit it at the end of the block, discard it on any error.

    Raises:
        ConfigurationError: The target is of no kind that can be written, or a package is missing.
        OSError: It cannot be written. FileExistsError: it exists, and `overwrite` is False.
    """
    sink = _open(target, overwrite, compression)
    try:
        yield sink
        sink.commit()
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one that counts
            sink.discard()
        raise


def name_of(target: Target) -> str:
    """A name for messages."""
    if isinstance(target, str | os.PathLike):
        return Path(os.fspath(target)).name
    return str(getattr(target, "name", type(target).__name__))


def _open(target: Target, overwrite: bool, compression: Compression | None) -> Sink:
    if not isinstance(target, str | os.PathLike):
        if compression not in ("infer", None):
            raise ConfigurationError("compression is for paths and URLs: wrap the file object instead.")
        return FileObjectSink(target)
    name = os.fspath(target)
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"A target is a path, a URL or a file object, not {target!r}.")
    kind = format_of(name, compression)
    sink: Sink = _open_url(name, overwrite) if "://" in name else _open_path(Path(name), overwrite)
    return PackedSink(sink, kind) if kind else sink


class PackedSink:
    """Compresses what goes to another sink."""

    text = False

    def __init__(self, sink: Sink, kind: str) -> None:
        self._sink = sink
        self._packer = Packer(kind)

    def write(self, data: bytes) -> None:
        """Take a chunk."""
        if packed := self._packer.pack(data):
            self._sink.write(packed)

    def commit(self) -> None:
        """Write the compressor's rest, and commit."""
        self._sink.write(self._packer.finish())
        self._sink.commit()

    def discard(self) -> None:
        """Discard."""
        self._sink.discard()


def _open_path(path: Path, overwrite: bool) -> Sink:
    path = Path(os.path.realpath(path)) if overwrite else path
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory; name a file in it.")
    if not path.parent.exists():
        raise FileNotFoundError(f"There is no directory {path.parent}; make it first.")
    if not overwrite and os.path.lexists(path):
        raise FileExistsError(f"{path} exists, and overwrite=False.")
    if path.exists() and not path.is_file():
        return FileObjectSink(path.open("wb"), owned=True)  # /dev/stdout, a named pipe
    return PathSink(path, overwrite)


class PathSink:
    """A file that is written under a temporary name and renamed when all of it is on disk."""

    text = False

    def __init__(self, final: Path, overwrite: bool) -> None:
        self._final = final
        self._overwrite = overwrite
        self._part = final.with_name(f".{secrets.token_hex(8)}.part")
        try:
            self._file: BinaryIO = self._part.open("xb")
        except BaseException:  # a signal may raise when the file is there already
            with contextlib.suppress(OSError):
                self._part.unlink()
            raise

    def write(self, data: bytes) -> None:
        """Take a chunk."""
        self._file.write(data)

    def commit(self) -> None:
        """Flush the file to disk, and rename it."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if self._overwrite:
            with contextlib.suppress(FileNotFoundError):
                self._part.chmod(stat.S_IMODE(self._final.stat().st_mode))
            self._part.replace(self._final)
        else:
            _rename_to_new(self._part, self._final)

    def discard(self) -> None:
        """Remove the file."""
        with contextlib.suppress(OSError):  # closing writes what is buffered, which a full disk refuses
            self._file.close()
        self._part.unlink(missing_ok=True)


def _rename_to_new(part: Path, final: Path) -> None:
    """Give a file a name that no file has; of two writers the first succeeds.

    Raises:
        FileExistsError: Something has it.
    """
    if os.name == "nt":
        part.rename(final)  # refuses, on Windows
        return
    try:
        final.hardlink_to(part)
    except FileExistsError:
        raise FileExistsError(f"{final} was created meanwhile, and overwrite=False.") from None
    except OSError:  # a file system without hard links: claim the name, then take it
        final.touch(exist_ok=False)
        part.replace(final)
    else:
        part.unlink()


class FileObjectSink:
    """A file object, binary or text. After an error it keeps what had arrived: its owner must decide."""

    def __init__(self, file: Any, *, owned: bool = False) -> None:
        self._file = file
        self._owned = owned
        self.text: bool = _is_text(file)

    def write(self, data: Any) -> None:
        """Take a chunk."""
        if self.text:
            self._file.write(data)
            return
        view = memoryview(data)
        while view:
            written = self._file.write(view)  # an unbuffered file may take a part only
            view = view[written:] if isinstance(written, int) else view[len(view) :]

    def commit(self) -> None:
        """Flush the file; its owner closes it."""
        if hasattr(self._file, "flush"):
            self._file.flush()
        self.discard()

    def discard(self) -> None:
        """Leave it unchanged."""
        if self._owned:
            self._file.close()


def _is_text(file: Any) -> bool:
    if not callable(getattr(file, "write", None)):
        raise ConfigurationError(f"A target is a path, a URL or a file object, not {type(file).__name__}.")
    if isinstance(file, io.TextIOBase):
        return True
    try:
        file.write(b"")
    except TypeError:
        return True
    except ValueError as error:
        raise ConfigurationError(f"The target cannot be written to: {error}.") from error
    return False


def _open_url(url: str, overwrite: bool) -> Sink:
    from .url_sinks import DeferredSink, TemporaryKeySink, local_path, open_filesystem, protocols

    filesystem, path = open_filesystem(url)
    if (local := local_path(filesystem, path)) is not None:
        return _open_path(local, overwrite)
    if not overwrite and filesystem.exists(path):
        raise FileExistsError(f"{url} exists, and overwrite=False.")
    kind = DeferredSink if "s3" in protocols(filesystem) else TemporaryKeySink
    return kind(filesystem, path, overwrite)
