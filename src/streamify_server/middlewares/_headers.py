"""Helpers for header fields that are lists."""

from __future__ import annotations

from streamify_server.response import Headers


def list_of(headers: Headers, name: str) -> list[str]:
    """Return the elements of a list field, in lower case."""
    return [part.strip().lower() for part in headers.get(name, "").split(",") if part.strip()]


def add_to_list(headers: Headers, name: str, elements: str) -> None:
    """Add elements to a list field unless they are already in it; `*` includes all."""
    there = list_of(headers, name)
    new = [part.strip() for part in elements.split(",") if part.strip() and part.strip().lower() not in there]
    if new and "*" not in there:
        headers[name] = ", ".join(filter(None, [headers.get(name, ""), *new]))
