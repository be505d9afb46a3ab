"""Inspect a function's package: the directory of the zip file and the source of its handler."""

import re
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

_DIST_INFO = re.compile(r"([A-Za-z0-9_.]+)-([^/]+)\.dist-info/METADATA")
_BYTECODE = re.compile(r"\.cpython-(\d)(\d+)(?:\.opt-\d)?\.pyc$")
_SOURCE_LIMIT = 1024 * 1024  # bytes of a handler's module that are read
_EXECUTABLE = 0o111
_MODULE = r"{}(/__init__)?\.([^/]*\.)?(py|pyc|so)"


@dataclass(frozen=True, slots=True)
class Package:
    """The relevant facts about the package of a function.

    Attributes:
        files: The number of files.
        versions: Distribution name, with ``_`` for ``-`` and in lower case, to version.
        shadowing: Top-level files with the name of a module of the standard library.
        modes: File name to whether it is executable.
        bytecode: Python versions, such as "3.12", for which it has compiled files.
        has_streamify: Whether streamify_server is in it.
        handler_uses_streamify: Whether the handler's module mentions streamify_server; None: it has no
            source.
        has_handler: Whether the handler's module is in it, as source or compiled.
    """

    files: int
    versions: Mapping[str, str]
    shadowing: tuple[str, ...]
    modes: Mapping[str, bool]
    bytecode: tuple[str, ...]
    has_streamify: bool
    handler_uses_streamify: bool | None
    has_handler: bool


def read_package(file: BinaryIO, handler: str) -> Package:
    """Inspect a package.

    Args:
        file: The zip file, seekable.
        handler: The function's handler, "module.function".

    Raises:
        zipfile.BadZipFile: It is not a zip file.
    """
    with zipfile.ZipFile(file) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        modes = {info.filename: bool(info.external_attr >> 16 & _EXECUTABLE) for info in archive.infolist()}
        module = handler.rpartition(".")[0].replace(".", "/").strip("/")
        source = _source(archive, module)
    return Package(
        files=len(names),
        versions=_versions(names),
        shadowing=tuple(sorted(set(_shadowing(names)))),
        modes=modes,
        bytecode=tuple(
            sorted({f"{found[1]}.{found[2]}" for name in names if (found := _BYTECODE.search(name))})
        ),
        has_streamify="streamify_server/__init__.py" in names,
        handler_uses_streamify=None if source is None else b"streamify_server" in source,
        has_handler=any(map(re.compile(_MODULE.format(re.escape(module))).fullmatch, names)),
    )


def _versions(names: Iterable[str]) -> dict[str, str]:
    found = (match for name in names if (match := _DIST_INFO.fullmatch(name)))
    return {match[1].lower().replace("-", "_"): match[2] for match in found}


def _shadowing(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        top, _, rest = name.partition("/")
        module = top.removesuffix(".py") if not rest else top
        is_module = (top.endswith(".py") and not rest) or rest == "__init__.py"
        if is_module and module in sys.stdlib_module_names and module != "__future__":
            yield top if not rest else f"{top}/"


def _source(archive: zipfile.ZipFile, module: str) -> bytes | None:
    for name in (f"{module}.py", f"{module}/__init__.py"):
        try:
            with archive.open(name) as file:
                return file.read(_SOURCE_LIMIT)
        except KeyError:
            continue
    return None
