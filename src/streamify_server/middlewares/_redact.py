"""Taking secrets out of what is logged: paths such as `event.headers.authorization` or
`event.items.[].token`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What is under a name, in lower case: None takes all of it away.
PathTree = dict[str, "PathTree | None"]

WITHHELD = "[withheld]"


def path_tree(paths: Iterable[str | Sequence[str]]) -> PathTree:
    """The paths, text with dots or lists of names, as a tree; one that is the beginning of another wins."""
    tree: PathTree = {}
    split = [path.split(".") if isinstance(path, str) else path for path in paths]
    for path in sorted(split, key=len):
        *names, last = [name.lower() for name in path]
        branch: PathTree | None = tree
        for name in names:
            branch = branch.setdefault(name, {}) if branch is not None else None
        if branch is not None:
            branch[last] = None
    return tree


def redacted(value: Any, tree: PathTree | None, mask: str | None) -> Any:
    """A copy without what the tree names, masked or left out; `value` stays as it was.

    Names match whatever their case, as those of header fields do. JSON text is looked into; other text that
    the tree leads into is withheld, because nobody can tell what stands in it.
    """
    if tree is None:
        return WITHHELD if mask is None else mask
    if not tree:
        return value
    if isinstance(value, str):
        return _redacted_text(value, tree, mask)
    if isinstance(value, list | tuple):
        items = tree.get("[]", {})
        return [redacted(item, items, mask) for item in value]
    if not isinstance(value, Mapping):
        return value
    kept = {}
    for key, member in value.items():
        inner = tree.get(str(key).lower(), {})
        if inner is not None or mask is not None:
            kept[key] = redacted(member, inner, mask)
    return kept


def _redacted_text(text: str, tree: PathTree, mask: str | None) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict | list):
        return WITHHELD if mask is None else mask
    return json.dumps(redacted(value, tree, mask))
