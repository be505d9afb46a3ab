"""The version of this package, also available as `streamify_server.__version__`."""

from __future__ import annotations


def version() -> str:
    """Return the distribution's version; "unknown" if the package was copied without its metadata."""
    from importlib import metadata

    try:
        return metadata.version("streamify")
    except metadata.PackageNotFoundError:
        return "unknown"
