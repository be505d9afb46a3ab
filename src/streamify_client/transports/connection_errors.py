"""Errors between a call and the head of its response, with the same messages for all transports."""

import http.client
import socket
import ssl

from streamify_client.errors import (
    ConnectError,
    CorruptStreamError,
    StreamifyError,
    StreamTimeoutError,
    TruncatedStreamError,
)

from .causes import find_cause, innermost_reason

_NOT_HTTP = {"HttpProcessingError", "ClientResponseError", "InvalidHeader"}  # aiohttp's and urllib3's


def connection_error(
    error: BaseException, *, url: str, connected: bool, proxy: str | None = None, check: str = "the URL"
) -> StreamifyError:
    """Return the public error.

    Args:
        error: The library's exception.
        url: The URL of the call, without path and query.
        connected: Whether a connection was made, so that the function may have run.
        proxy: The URL of the proxy, if one was used.
        check: What to check if the name cannot be resolved.
    """
    if is_timeout(error):
        return late(connected)
    if not connected:
        return _no_connection(error, url, proxy, check)
    if is_no_http(error) or find_cause(error, UnicodeError):
        return CorruptStreamError(f"The answer of {url} is not HTTP: {innermost_reason(error)}.")
    reason = innermost_reason(error)
    return TruncatedStreamError(f"The connection to {url} was lost before a response arrived: {reason}.")


def late(connected: bool) -> StreamTimeoutError:
    """Return the error for an exceeded time limit."""
    if connected:
        return StreamTimeoutError("The function sent nothing in time.", phase="first_byte")
    return StreamTimeoutError("The connection could not be made in time.", phase="connect")


def is_timeout(error: BaseException) -> bool:
    """Return whether the cause was an exceeded time limit."""
    return find_cause(error, TimeoutError) is not None or "Timeout" in type(error).__name__


def is_no_http(error: BaseException) -> bool:
    """Return whether the cause was bytes that are not HTTP."""
    found = find_cause(error, http.client.HTTPException)
    if found is not None:
        return not isinstance(found, ConnectionError | http.client.IncompleteRead)
    return find_cause(error, Exception, _has_such_a_name) is not None


def _has_such_a_name(error: BaseException) -> bool:
    return bool(_NOT_HTTP & {kind.__name__ for kind in type(error).__mro__})


def _no_connection(error: BaseException, url: str, proxy: str | None, check: str) -> ConnectError:
    through = f" through the proxy {proxy}" if proxy is not None else ""
    if find_cause(error, ssl.SSLError):
        return ConnectError(
            f"No TLS connection to {url}{through}: {innermost_reason(error)}. verify= takes a CA bundle."
        )
    if find_cause(error, socket.gaierror):
        unresolved = url if proxy is None else f"The proxy {proxy}"
        return ConnectError(f"{unresolved} cannot be resolved: check {check} and the network.")
    refused = find_cause(error, ConnectionRefusedError) is not None
    why = "the connection was refused" if refused else innermost_reason(error)
    return ConnectError(f"No connection to {url}{through}: {why}.", refused=refused)
