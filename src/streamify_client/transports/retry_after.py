"""How long a service asks its callers to wait."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


def seconds_of(value: Any) -> float | None:
    """Return the seconds of a Retry-After header, which holds a number or a date; None for anything else.

    Source: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
    """
    if value is None or isinstance(value, bool):
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return _until(str(value))
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(date: str) -> float | None:
    try:
        then = parsedate_to_datetime(date)
    except (TypeError, ValueError, OverflowError):
        return None
    if then.tzinfo is None:  # "-0000": the zone of the sender is not known
        then = then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())
