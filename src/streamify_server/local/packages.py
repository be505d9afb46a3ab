"""A function's folder as the package that GetFunction offers for download."""

import io
import os
import zipfile
from pathlib import Path

_LEFT_OUT = {"__pycache__", ".git", ".venv", "venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


def packed(code: Path) -> bytes:
    """The files of a folder in a zip archive, without caches and virtual environments."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for folder, names, files in os.walk(code):
            names[:] = sorted(name for name in names if name not in _LEFT_OUT)
            for name in sorted(files):
                path = Path(folder, name)
                if path.is_file():
                    opened.write(path, path.relative_to(code))
    return archive.getvalue()
