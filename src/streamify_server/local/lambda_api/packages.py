"""Packs a function's folder for download through GetFunction."""

import io
import os
import zipfile
from pathlib import Path

_LEFT_OUT = {"__pycache__", ".git", ".venv", "venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


# This package. Local functions get it from LocalLambda; on Lambda it is in their own package or in a layer.
_OWN = Path(__file__).parents[2]


def packed(code: Path) -> bytes:
    """Return the files of a folder as a zip archive, without caches and virtual environments.

    If the code uses streamify_server but does not contain it, the archive includes the one in use.
    """
    files = _files(code, code)
    if _OWN.name not in {name.parts[0] for name in files} and any(map(_uses_own, files.values())):
        files |= _files(_OWN, _OWN.parent)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as opened:
        for name, path in files.items():
            opened.write(path, name)
    return archive.getvalue()


def _files(top: Path, root: Path) -> dict[Path, Path]:
    """Return the files of a folder, by their paths relative to `root`."""
    found = {}
    for folder, names, files in os.walk(top):
        names[:] = sorted(name for name in names if name not in _LEFT_OUT)
        paths = (Path(folder, name) for name in sorted(files))
        found.update({path.relative_to(root): path for path in paths if path.is_file()})
    return found


def _uses_own(path: Path) -> bool:
    return path.suffix == ".py" and _OWN.name.encode() in path.read_bytes()
