"""The interface between streams and transports: headers and raw bytes.

A transport invokes a function once and returns a raw response. It knows about connections, but not about
frames, preludes, text or retries. There is one for boto3, one for aiobotocore and one for Function URLs;
others can be written by implementing these protocols.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Literal, Protocol

from streamify_client.request.invocation import Invocation
from streamify_client.wire import BytesLike

from .process import Process

Framing = Literal["eventstream", "http"]


class Cancellation:
    """A flag that any thread may set, and a callback that wakes the waiting thread.

    A signal handler may set it too, at any moment of the thread that it interrupts, so there are only
    reentrant locks. The child of a fork wakes nothing: the waiting thread belongs to its parent.

    Attributes:
        requested: Whether cancellation was requested.
    """

    def __init__(self) -> None:
        self.requested: bool = False
        self._lock = threading.RLock()
        self._wake: Callable[[], None] | None = None
        self._process = 0  # whose that is

    def request(self) -> None:
        """Request cancellation, and wake the thread that waits for the network; return at once."""
        with self._lock:
            self.requested = True
            if self._wake is not None and self._process == Process.id:
                self._wake()

    def on_request(self, wake: Callable[[], None] | None) -> None:
        """Set the callback that wakes the waiting thread; it is called at once if already requested."""
        if wake is None and self._wake is None:
            return
        with self._lock:
            self._wake, self._process = wake, Process.id
            if wake is not None and self.requested:
                wake()

    def sleep(self, seconds: float) -> bool:
        """Wait for that time; return True, at once, if cancellation is requested."""
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
    """What a transport needs to open a response.

    Attributes:
        connect_timeout: Seconds for the connection; None: no limit.
        first_byte_timeout: Seconds until the headers; None: no limit.
        cancellation: Requested by ``cancel()``.
        deadline: The time, by `time.monotonic`, at which everything must be over; None: no limit.
        within: The context in which to open it; None: the current one.
    """

    connect_timeout: float | None
    first_byte_timeout: float | None
    cancellation: Cancellation
    deadline: float | None = None
    within: Context | None = None


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head of a raw response; the names of the headers are in lower case."""

    framing: Framing
    status_code: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...] = ()


class RawResponse(Protocol):
    """An open response: its head, and its bytes as they arrive."""

    @property
    def head(self) -> ResponseHead:
        """Status and headers."""

    @property
    def survives_timeout(self) -> bool:
        """Whether reading can continue after a read that timed out."""

    def read(self, timeout: float | None, wanted: int = 0) -> Sequence[BytesLike]:
        """Return the next pieces of the body, waiting at most `timeout` seconds for the first of them.

        The reader cannot use fewer than `wanted` bytes, so the transport may wait for them, each time for up
        to `timeout` seconds.

        One read returns everything that has arrived, up to the transport's own limit. The pieces are in
        order, without HTTP's framing (each piece belongs to one HTTP chunk), and never empty. Those of an
        event stream may be memoryviews. An empty sequence is the end of the HTTP response.

        Raises:
            TimeoutError: Nothing arrived.
            ConnectionError: The connection is lost; the cause is chained.
        """

    def finish(self) -> None:
        """Everything has arrived: return the connection to the pool."""

    def close(self) -> None:
        """Close the connection. This wakes a read in another thread."""


class Transport(Protocol):
    """Invokes functions."""

    @property
    def region(self) -> str | None:
        """The region of functions called by name, once it is known."""

    def open(self, invocation: Invocation, opening: Opening) -> RawResponse:
        """Invoke the function once, and return its response when the headers have arrived.

        Raises:
            StreamifyError: ConnectError, InvocationError, StreamTimeoutError, TruncatedStreamError,
                ConfigurationError; StreamClosedError where the stream is cancelled meanwhile.
        """

    def close(self) -> None:
        """Close what was created here, and remove our hooks from what was passed in."""


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
