"""The seam between streams and what carries them: "give me headers and the raw bytes".

A transport invokes a function once and hands back a raw response. It knows connections and nothing of
frames, preludes, text or retries. There is one for boto3, one for aiobotocore and one for Function URLs;
another can be written by meeting these protocols.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Literal, Protocol

from streamify_client.request.invocation import Invocation
from streamify_client.wire import BytesLike

Framing = Literal["eventstream", "http"]


class Cancellation:
    """One flag that any thread may raise, and what has to be woken then.

    A signal handler may raise it too, whatever the thread that it interrupts is about to do: so there is no
    lock that is not reentrant. The child of a fork wakes nothing: what its parent waits for is the parent's.

    Attributes:
        requested: Whether the end was requested.
    """

    def __init__(self) -> None:
        self.requested: bool = False
        self._lock = threading.RLock()
        self._wake: Callable[[], None] | None = None
        self._process = 0  # whose that is

    def request(self) -> None:
        """Ask for the end, and wake whatever waits for the network; returns at once."""
        with self._lock:
            self.requested = True
            if self._wake is not None and self._process == os.getpid():
                self._wake()

    def on_request(self, wake: Callable[[], None] | None) -> None:
        """Set what wakes the waiting thread; it is called at once if the end was requested before."""
        with self._lock:
            self._wake, self._process = wake, os.getpid()
            if wake is not None and self.requested:
                wake()

    def sleep(self, seconds: float) -> bool:
        """Wait that long; return True, at once, when the end is requested."""
        alarm = threading.Lock()
        alarm.acquire()
        self.on_request(lambda: _release(alarm))
        try:
            return alarm.acquire(timeout=seconds)
        finally:
            self.on_request(None)


def _release(lock: threading.Lock) -> None:
    with contextlib.suppress(RuntimeError):  # a second request finds it released
        lock.release()


@dataclass(slots=True)
class Opening:
    """What a transport is told while it opens a response, and what it tells.

    Attributes:
        connect_timeout: Seconds for the connection; None: no limit.
        first_byte_timeout: Seconds until the headers; None: no limit.
        cancellation: Requested by ``cancel()``.
        deadline: When all has to be over, as `time.monotonic` counts; None: no limit.
        within: The context in which to open it; None: the present one.
    """

    connect_timeout: float | None
    first_byte_timeout: float | None
    cancellation: Cancellation
    deadline: float | None = None
    within: Context | None = None


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """What stands before a raw response's bytes; the names of the headers are in lower case."""

    framing: Framing
    status_code: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...] = ()


class RawResponse(Protocol):
    """An open response: its head, and its bytes as they come."""

    @property
    def head(self) -> ResponseHead:
        """Status and headers."""

    @property
    def survives_timeout(self) -> bool:
        """Whether it can be read on after a read that timed out."""

    def read(self, timeout: float | None, wanted: int = 0) -> Sequence[BytesLike]:
        """Return the next pieces of the body, after waiting at most so many seconds for the first of them.

        With fewer bytes than are wanted the reader can do nothing: they may be waited for, each time for so
        many seconds.

        One read brings all that has arrived, up to the transport's own bound. The pieces are in order, HTTP's
        framing is undone (each piece belongs to one HTTP chunk), and none is empty. Those of an event stream
        may be views of bytes. No pieces are the end of the HTTP response.

        Raises:
            TimeoutError: Nothing came.
            ConnectionError: The connection is lost; the cause is chained.
        """

    def finish(self) -> None:
        """All that matters has come: give the connection back, to be used again."""

    def close(self) -> None:
        """Give up: close the connection. Wakes a read in another thread."""


class Transport(Protocol):
    """Invokes functions."""

    @property
    def region(self) -> str | None:
        """Where functions are called by their name, once that is known."""

    def open(self, invocation: Invocation, opening: Opening) -> RawResponse:
        """Invoke the function once, and return its response when the headers are there.

        Raises:
            StreamifyError: ConnectError, InvocationError, StreamTimeoutError, TruncatedStreamError,
                ConfigurationError.
        """

    def close(self) -> None:
        """Undo what was done to what was passed in, and close what was made here."""


class AsyncRawResponse(Protocol):
    """RawResponse for asyncio; `close` is a plain function, to be called when an object is freed."""

    @property
    def head(self) -> ResponseHead:
        """Status and headers."""

    @property
    def survives_timeout(self) -> bool:
        """As RawResponse.survives_timeout."""

    async def read(self, timeout: float | None, wanted: int = 0) -> Sequence[BytesLike]:
        """As RawResponse.read."""

    async def finish(self) -> None:
        """As RawResponse.finish."""

    def close(self) -> None:
        """As RawResponse.close."""


class AsyncTransport(Protocol):
    """Transport for asyncio."""

    @property
    def region(self) -> str | None:
        """As Transport.region."""

    async def open(self, invocation: Invocation, opening: Opening) -> AsyncRawResponse:
        """As Transport.open."""

    async def close(self) -> None:
        """As Transport.close."""
