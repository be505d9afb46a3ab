"""Content negotiation (RFC 9110, 12.5): a client's preferences as a sorted list."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streamify_server.errors import HttpError

HEADER_LIMIT = 8192  # characters


class Preference:
    """One element of an Accept field: the range in lower case and as written, its weight, its position."""

    __slots__ = ("place", "range", "weight", "written")

    def __init__(self, written: str, weight: float, place: int) -> None:
        self.range = written.lower()
        self.written = written
        self.weight = weight
        self.place = place


# How specifically a range matches an offer: None if it does not match.
Matcher = Callable[[str, str], int | None]


def preferences(field: str) -> list[Preference]:
    """Return the elements of an Accept field in their order, without malformed ones.

    Raises:
        HttpError: 400 if the field is longer than 8,192 characters.
    """
    if len(field) > HEADER_LIMIT:
        raise HttpError(400, f"An Accept header is longer than {HEADER_LIMIT} characters")
    found = []
    for place, element in enumerate(_split(field, ",")):
        name, weight = _weighed(element)
        if name and weight is not None:
            found.append(Preference(name, weight, place))
    return found


def media_types(field: str | None, available: Sequence[str] | None) -> list[str]:
    """Return media types without parameters, best first. Without the header, anything is accepted."""
    found = _sorted("*/*" if field is None else field, available, _media_match)
    return found if available is not None else [one for one in found if "/" in one]


def charsets(field: str | None, available: Sequence[str] | None) -> list[str]:
    """Return charsets, best first."""
    return _sorted("*" if field is None else field, available, _plain_match)


def languages(field: str | None, available: Sequence[str] | None) -> list[str]:
    """Return languages, best first.

    A range matches languages of which it is a prefix, and vice versa (RFC 4647, 3.4).
    """
    return _sorted("*" if field is None else field, available, _language_match)


def encodings(field: str | None, available: Sequence[str] | None) -> list[str]:
    """Return content codings, best first.

    `identity` is included unless the client refused it (RFC 9110, 12.5.3).
    """
    wanted = preferences(field or "")
    if _refuses(wanted, "identity"):
        return _best(wanted, available, _plain_match)
    named = any(preference.range in ("identity", "*") for preference in wanted)
    if not named:
        lowest = min((p.weight for p in wanted if p.weight > 0), default=1.0)
        wanted.append(Preference("identity", lowest, len(wanted)))
    found = _best(wanted, available, _plain_match)
    if not named and "identity" in found:
        # Last among equals, because a client that asks for codings wants one of them.
        found.remove("identity")
        found.append("identity")
    return found


def _refuses(wanted: Sequence[Preference], coding: str) -> bool:
    weights = {preference.range: preference.weight for preference in wanted}
    return weights.get(coding, weights.get("*", 1.0)) == 0


def _sorted(field: str, available: Sequence[str] | None, match: Matcher) -> list[str]:
    return _best(preferences(field), available, match)


def _best(wanted: Sequence[Preference], available: Sequence[str] | None, match: Matcher) -> list[str]:
    if available is None:
        liked = [preference for preference in wanted if preference.weight > 0]
        ranked_ranges = sorted(liked, key=lambda p: (-p.weight, p.place))
        return [preference.written.partition(";")[0] for preference in ranked_ranges]
    ranked = []
    for position, offer in enumerate(available):
        best = _most_exact(wanted, offer, match)
        if best is not None and best[1].weight > 0:
            exactness, preference = best
            ranked.append((-preference.weight, -exactness, preference.place, position, offer))
    return [offer for *_, offer in sorted(ranked)]


def _most_exact(wanted: Sequence[Preference], offer: str, match: Matcher) -> tuple[int, Preference] | None:
    matches = [(exact, p) for p in wanted if (exact := match(p.range, offer)) is not None]
    return max(matches, key=lambda found: (found[0], found[1].weight, found[1].place), default=None)


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside quotation marks."""
    parts: list[str] = []
    quoted = False
    for part in text.split(separator):
        if quoted:
            parts[-1] += separator + part
        else:
            parts.append(part)
        quoted ^= part.count('"') % 2 == 1
    return parts


def _weighed(element: str) -> tuple[str, float | None]:
    name, *parameters = (part.strip() for part in _split(element, ";"))
    kept = [name]
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            return ";".join(kept), _weight(value.strip())
        if parameter:
            kept.append(parameter.replace(" ", ""))
    return ";".join(kept), 1.0


def _weight(value: str) -> float | None:
    try:
        weight = float(value)
    except ValueError:
        return None
    return weight if 0 <= weight <= 1 else None


def _plain_match(range: str, offer: str) -> int | None:
    range = range.partition(";")[0]  # parameters have no meaning here
    if range == offer.lower():
        return 1
    return 0 if range == "*" else None


def _language_match(range: str, offer: str) -> int | None:
    offered = offer.lower()
    if range == offered:
        return 4
    if range.startswith(offered + "-"):
        return 2
    if offered.startswith(range + "-"):
        return 1
    return 0 if range == "*" else None


def _media_match(range: str, offer: str) -> int | None:
    wanted, _, wanted_parameters = range.partition(";")
    offered, _, offered_parameters = offer.lower().replace(" ", "").partition(";")
    if wanted == offered:
        if not wanted_parameters:
            return 4
        return 6 if set(wanted_parameters.split(";")) <= set(offered_parameters.split(";")) else None
    kind, _, subtype = wanted.partition("/")
    if subtype == "*" and (kind == offered.partition("/")[0] or kind == "*"):
        return 0 if kind == "*" else 2
    return None
