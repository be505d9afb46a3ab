"""The README as the package's description, with the names of files in place of links to them.

A package index has no such files, and there is no known address of the project to link to.
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
