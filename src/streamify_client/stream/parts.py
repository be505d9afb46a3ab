"""How the parts of one stream are joined: where the next one begins, and which of its bytes were delivered.

A function that hands over, or is cut off after a checkpoint, is invoked again with the checkpoint's token.
Bytes that the new part sends again are dropped, and compared with the delivered ones by length and CRC-32:
after content decoding, since two compressors may encode the same text differently.

A resumed part may hand over before it has sent everything again, since it may have less time than the one
that was cut. The next part then sends the rest, from the checkpoint of that hand-over; after another cut the
stream continues from the last checkpoint after which everything was delivered.
"""

import hashlib
import time

from streamify_client.errors import (
    ConnectError,
    CorruptStreamError,
    FunctionError,
    StreamError,
    StreamifyError,
    StreamTimeoutError,
    ThrottledError,
    TruncatedStreamError,
)
from streamify_client.models import Part
from streamify_client.request.options import Options
from streamify_client.wire import Mark
from streamify_client.wire.checksum import crc32_function
from streamify_client.wire.verified import Checkpoint

REFUSALS = 60.0  # seconds for which a part that is refused or throttled is asked for again
_BEFORE_RESUMING = 0.1  # seconds: a network that cut one connection may cut the next
_LONGEST_DELAY = 5.0  # seconds between two such requests
_DEADLINE = "DeadlineExceededError"  # what streamify_server says when its deadline strikes


class Parts:
    """What is known of a stream's parts.

    Args:
        options: ``continues``, the parts that one stream may have, and ``resumes``, the invocations that
            there may be after a cut.

    Attributes:
        token: What the part under way was given; None: it is the first.
        base: How many bytes of the body, as the function counts them, came before that.
        begun: How many parts were begun.
        finished: The parts that are over.
    """

    __slots__ = (
        "_brought",
        "_continues",
        "_crc32",
        "_hand_overs",
        "_here",
        "_known",
        "_known_crc",
        "_last",
        "_refusals",
        "_refused_since",
        "_repeats",
        "_resumes",
        "_resumes_left",
        "_since",
        "_since_crc",
        "base",
        "begun",
        "finished",
        "token",
    )

    def __init__(self, options: Options) -> None:
        self.token: str | None = None
        self.base: int = 0
        self.begun: int = 1
        self.finished: list[Part] = []
        self._continues = options.continues
        self._hand_overs = 0
        self._resumes_left = self._resumes = options.resumes
        self._crc32 = crc32_function()
        self._last: Checkpoint | None = None  # where a cut stream goes on
        self._here: Checkpoint | None = None  # the last one of this part, where it may hand over
        self._since = self._since_crc = 0  # what was delivered after `_last`: bytes, and their CRC-32
        self._known = 0  # how much of it is still to be sent again,
        self._known_crc = 0  # and the CRC-32 of what has been
        self._repeats = True  # until a part turns out to send something else
        self._refused_since: float | None = None
        self._refusals = 0
        self._brought = 0  # bytes that this part sent, with those that it sent again

    @property
    def later(self) -> bool:
        """Whether a part after the first is under way."""
        return self.begun > 1

    def track(self, chunks: list[bytes]) -> list[bytes]:
        """Follow the body through its checkpoints; return what is new of these chunks.

        Raises:
            CorruptStreamError: The part sends something else than what was delivered.
        """
        if not (self._resumes or self._known or {*map(type, chunks)} != {bytes}):
            self._brought += sum(map(len, chunks))
            return chunks
        new = []
        for chunk in chunks:
            if isinstance(chunk, Mark):
                self._pass(chunk)
                continue
            self._brought += len(chunk)
            rest = self._without_known(chunk) if self._known else chunk
            if rest:
                self._deliver(rest)
                new.append(rest)
        return new

    def check_head(
        self, state: str | None, first: tuple[int, str | None], here: tuple[int, str | None]
    ) -> None:
        """Refuse a later part that is not the same response going on.

        Args:
            state: What its head says of the token.
            first: Status and media type of the first part.
            here: Those of this one.

        Raises:
            CorruptStreamError: The function did not get the token, or the response is another one.
        """
        assert self.token is not None
        if state != hashlib.sha256(self.token.encode()).hexdigest():
            raise self._broken(
                "The next part of the stream does not go on where the last one ended: something on the way "
                "drops the token, or the function was deployed without it."
            )
        if here != first:
            raise self._broken(
                "The next part of the stream is another response: its status and media type are "
                f"{here[0]} {here[1]}, and were {first[0]} {first[1]}."
            )

    def unverified(self) -> CorruptStreamError:
        """Return the error for a later part that is not a verified stream."""
        return self._broken(
            "The next part of the stream is not verified: something on the way drops the token, or the "
            "function was deployed without streamify_server."
        )

    def hand_over(self) -> None:
        """A part has ended, and says that another one follows.

        Raises:
            CorruptStreamError: It stands where it began.
            TruncatedStreamError: There were as many parts as `continues` allows.
        """
        if not self._brought:
            raise self._broken("The function handed over without having sent anything new.")
        self._hand_overs += 1
        if self._hand_overs >= self._continues:
            self._repeats = False
            raise TruncatedStreamError(
                f"The stream has more than {self._continues} parts (continues={self._continues})."
            )
        self._go_on_from(self._here)

    def check_repeated(self) -> None:
        """Raise if the stream has ended before it sent again what was delivered."""
        if self._known:
            raise self._not_reproducible()

    def delay_after(self, error: StreamifyError, *, cut_short: bool = False) -> float | None:
        """Return after how many seconds to ask for a part, again or anew; None: the error is final.

        Args:
            error: What ended the part.
            cut_short: Whether its verified stream has begun and not ended: what Lambda says then, that the
                function timed out or its process died, is about a cut.
        """
        if self.later and _is_refusal(error):
            return self._after_refusal(error)
        if self._resumes_left and self._last is not None and self._repeats and _is_cut(error, cut_short):
            self._resumes_left -= 1
            self._known, self._known_crc = self._since, 0
            self._go_on_from(self._last)
            return _BEFORE_RESUMING
        return None

    def _go_on_from(self, at: Checkpoint | None) -> None:
        """The next part is to begin behind this checkpoint."""
        assert at is not None
        self.token, self.base = at.token, at.position
        self.begun += 1
        self._brought = 0
        self._refused_since = None
        self._refusals = 0

    def _after_refusal(self, error: StreamifyError) -> float | None:
        now = time.monotonic()
        self._refused_since = self._refused_since or now
        wanted = error.retry_after if isinstance(error, ThrottledError) else None
        delay = min(0.2 * 2**self._refusals, _LONGEST_DELAY) if wanted is None else wanted
        self._refusals += 1
        return delay if now + delay - self._refused_since < REFUSALS else None

    def _pass(self, mark: Mark) -> None:
        if isinstance(mark, Checkpoint):
            self._here = mark
            if not self._known:
                self._last = mark
                self._since = self._since_crc = 0

    def _deliver(self, chunk: bytes) -> None:
        if self._resumes:
            self._since += len(chunk)
            self._since_crc = self._crc32(chunk, self._since_crc)

    def _without_known(self, chunk: bytes) -> bytes:
        again, rest = chunk[: self._known], chunk[self._known :]
        self._known_crc = self._crc32(again, self._known_crc)
        self._known -= len(again)
        if not self._known and self._known_crc != self._since_crc:
            raise self._not_reproducible()
        return rest

    def _not_reproducible(self) -> CorruptStreamError:
        return self._broken(
            "The stream cannot go on after the cut: the function sent something else than before its last "
            "checkpoint, so the response is not reproducible."
        )

    def _broken(self, message: str) -> CorruptStreamError:
        self._repeats = False
        return CorruptStreamError(message)


def _is_refusal(error: StreamifyError) -> bool:
    return isinstance(error, ThrottledError) or (isinstance(error, ConnectError) and error.refused)


def _is_cut(error: StreamifyError, cut_short: bool) -> bool:
    if isinstance(error, StreamTimeoutError):
        return error.phase != "total"
    if isinstance(error, FunctionError):
        return cut_short or error.error_type == _DEADLINE
    return isinstance(error, StreamError)
