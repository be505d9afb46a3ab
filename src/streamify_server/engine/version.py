"""The version of this package, for those who are told it; `streamify_server.__version__` is this."""

from __future__ import annotations


def version() -> str:
    """The distribution's version; "unknown" if the package was copied without its metadata."""
    from importlib import metadata

    try:
        return metadata.version("streamify")
    except metadata.PackageNotFoundError:
        return "unknown"
