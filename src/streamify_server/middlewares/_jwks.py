"""The public keys of an issuer, fetched by URL (RFC 7517), with limits.

PyJWT's own client reads answers of any length, follows redirects, and fetches again for every unknown key id.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

_LONGEST = 1024 * 1024  # bytes of a key set
_TIMEOUT = 5.0  # seconds
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

Fetch = Callable[[str], Any]


class UnavailableError(Exception):
    """The keys cannot be fetched at the moment."""


class KeySet:
    """The keys at one URL.

    They are fetched on first use, again when they are older than `max_age`, and again for an unknown key,
    which may be new; but never twice within `cooldown`, so that made-up key ids cause no traffic. Only one
    fetch runs at a time.

    Args:
        url: https, or http on this machine.
        max_age: Seconds for which keys are kept.
        cooldown: Minimum seconds between two fetches.
        fetch: Returns the JSON at a URL.

    Raises:
        ValueError: The URL is neither.
    """

    def __init__(self, url: str, max_age: float, cooldown: float, fetch: Fetch | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError(f"Keys are fetched over https, or http on this machine, not from {url!r}.")
        self._url = url
        self._max_age = max_age
        self._cooldown = cooldown
        self._fetch = fetch or fetched
        self._lock = threading.Lock()
        self._keys: list[dict[str, Any]] = []
        self._fetched_at = self._tried_at = float("-inf")

    def get(self, key_id: str | None) -> dict[str, Any] | None:
        """Return the key with this id, or without an id the only key; None if there is no such key.

        Raises:
            UnavailableError: The keys are too old and cannot be fetched again.
        """
        with self._lock:
            found = self._found(key_id) if self._is_fresh() else None
            if found is None and time.monotonic() - self._tried_at >= self._cooldown:
                self._refresh()
                found = self._found(key_id)
            if found is None and not self._is_fresh():
                raise UnavailableError(f"The keys at {self._url} cannot be fetched")
            return found

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._fetched_at < self._max_age

    def _refresh(self) -> None:
        self._tried_at = time.monotonic()
        try:
            keys = self._fetch(self._url)["keys"]
            self._keys = [key for key in keys if isinstance(key, dict)]
        except Exception as error:
            if not self._is_fresh():
                raise UnavailableError(f"The keys at {self._url} cannot be fetched: {error}") from error
        else:
            self._fetched_at = self._tried_at

    def _found(self, key_id: str | None) -> dict[str, Any] | None:
        if key_id is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.get("kid") == key_id), None)


def fetched(url: str) -> Any:
    """Return the JSON at a URL; redirects are not followed.

    Raises:
        OSError: The server cannot be reached, responds with a status other than 200, or is too slow.
        ValueError: The answer is too long, or not JSON.
    """
    import json
    from queue import Empty, SimpleQueue

    found: SimpleQueue[bytes | Exception] = SimpleQueue()

    def fetch() -> None:
        try:
            found.put(_body(url))
        except Exception as error:
            found.put(error)

    # A socket timeout limits each read only: a server that sends a byte now and then would never exceed it.
    threading.Thread(target=fetch, name="streamify-jwks", daemon=True).start()
    try:
        body = found.get(timeout=_TIMEOUT)
    except Empty:
        raise _too_slow() from None
    if isinstance(body, Exception):
        raise body
    if len(body) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST} bytes")
    return json.loads(body)


def _too_slow() -> TimeoutError:
    return TimeoutError(f"it did not answer within {_TIMEOUT:g} s")


def _body(url: str) -> bytes:
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, build_opener

    class Refusing(HTTPRedirectHandler):
        def redirect_request(self, *args: Any, **kwargs: Any) -> None:
            return None

    until = time.monotonic() + _TIMEOUT
    body = b""
    try:
        with build_opener(Refusing).open(url, timeout=_TIMEOUT) as answer:
            while len(body) <= _LONGEST and (piece := answer.read1(_LONGEST)):
                body += piece
                if time.monotonic() >= until:
                    raise _too_slow()
    except HTTPError as error:
        error.close()
        raise OSError(f"HTTP status {error.code}") from None
    return body
