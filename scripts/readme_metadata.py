"""Uses the README as the package's description, with relative links replaced by the paths of the files.

A package index does not have these files, and the project has no public URL yet to make the links absolute.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE = re.compile(r"\[([^\]\n]*)\]\((?!\w+:|#)([^)\s]+)\)")


class ReadmeHook(MetadataHookInterface):
    """Sets the package's description."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": RELATIVE.sub(_named, text)}


def _named(link: re.Match[str]) -> str:
    name, path = link[1], link[2].partition("#")[0]
    return f"`{path}`" if name.strip("`") in path else f"{name} (`{path}`)"
