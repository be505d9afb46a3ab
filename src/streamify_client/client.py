"""StreamClient: streamed responses of Lambda functions with blocking calls, on boto3."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

from streamify_client.dataframes.readers import Readers
from streamify_client.files.compression import Compression
from streamify_client.files.progress import Progress, meter
from streamify_client.files.sinks import Target, name_of, opened_sink
from streamify_client.request.client_context import ClientContext
from streamify_client.request.invocation import build_invocation
from streamify_client.request.options import (
    Auth,
    CallOptions,
    Options,
    StreamOptions,
    check_encoding,
    unknown_option,
)
from streamify_client.request.payload import Payload
from streamify_client.stream import tracing
from streamify_client.stream.core import StreamCore
from streamify_client.transports.boto import BotoTransport
from streamify_client.transports.choice import Transports, make_boto_transport, make_http_transport

from .errors import ConfigurationError
from .many import Read, StreamMap, check_concurrency, check_payloads, check_read
from .models import StreamResult
from .response import ResponseStream


class BotoOptions(TypedDict, total=False):
    """The arguments of ``boto3.client("lambda")``, by name."""

    region_name: str
    api_version: str
    use_ssl: bool
    verify: bool | str | PathLike[str]
    endpoint_url: str
    aws_access_key_id: str
    aws_secret_access_key: str
    aws_session_token: str
    aws_account_id: str
    config: Any


class ClientOptions(BotoOptions, CallOptions, total=False):
    """The keyword arguments of a client: boto3's and our own."""


class StreamClient(Readers):
    """Reads streamed responses of Lambda functions.

    Args:
        client: A boto3 Lambda client to use. It stays yours: its own calls keep their retries and timeouts,
            and `close` does not close it. Without one, a client is made.
        session: A ``boto3.Session`` to make the client from.
        **options: boto3's arguments (``region_name``, ``endpoint_url``, ``verify``, ``config``...), for the
            client that is made, and defaults for every call: ``connect_timeout`` (10 s),
            ``first_byte_timeout`` (1,800 s, as long as Lambda lets a function run), ``idle_timeout`` (none),
            ``timeout`` (sets both of these), ``total_timeout`` (none), ``retries`` (0), ``resumes`` (0),
            ``continues`` (100) and ``verified`` ("auto").

    Raises:
        ConfigurationError: An argument is unknown or wrong.

    Example:
        >>> from streamify_client import StreamClient
        >>> client = StreamClient(region_name="eu-central-1")  # doctest: +SKIP
        >>> for chunk in client.stream("chat", {"prompt": "hi"}):  # doctest: +SKIP
        ...     print(chunk, end="", flush=True)
    """

    def __init__(self, client: Any = None, *, session: Any = None, **options: Unpack[ClientOptions]) -> None:
        ours, theirs = split_options(options)
        self._options = Options().but(ours)
        if client is not None and (session is not None or theirs):
            given = ", ".join(sorted([*theirs, *(["session"] if session is not None else [])]))
            raise ConfigurationError(f"A client that is passed in cannot be changed: it cannot take {given}.")
        # Created on first use: URLs need neither boto3 nor a region.
        make_boto = partial(make_boto_transport, session, theirs, self._options.connect_timeout)
        make_http = partial(make_http_transport, client, session, theirs)
        boto = None if client is None else BotoTransport(client, owned=False)
        self._transport = Transports(boto, make_boto, make_http)
        self._about = about(client, theirs)

    def stream(
        self,
        function: str,
        payload: Payload = None,
        *,
        qualifier: str | None = None,
        client_context: ClientContext = None,
        tenant_id: str | None = None,
        log_tail: bool = False,
        encoding: str = "utf-8",
        errors: str = "strict",
        raise_for_status: bool = True,
        method: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        query: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        auth: Auth | None = None,
        **options: Unpack[CallOptions],
    ) -> ResponseStream:
        """Return a function's response as a stream.

        The arguments are checked now; the function is invoked on first use.

        Args:
            function: Its name, partial ARN or ARN; or a URL, such as its Function URL.
            payload: The event: JSON text as str or bytes, None to send nothing, or any value that can be
                encoded as JSON (dicts, dataclasses, pydantic models, dates...).
            qualifier: A version or an alias.
            client_context: What the function finds in ``context.client_context``: a mapping, or a base64
                string as in boto3.
            tenant_id: For functions with tenant isolation.
            log_tail: Ask for the last 4 KB of the function's log; it is in ``result.log_tail`` and in errors.
                If the log says that the function timed out or failed, the stream raises an error.
            encoding: The encoding of the body's text.
            errors: What to do with bytes that cannot be decoded, as for `bytes.decode`.
            raise_for_status: Raise HttpStatusError on opening when the function answers with status 400 or
                more.
            method: For a URL: the HTTP method; by default POST with a payload, else GET.
            headers: For a URL: request headers to add. With a Content-Type that is not JSON the payload is
                sent as it is.
            query: For a URL: parameters to add to its query.
            auth: For a URL: ``"auto"`` (the default) signs for AWS_IAM if the host is a Lambda Function URL
                and there are credentials, ``"iam"`` signs for any host, ``"none"`` never does.
            **options: The client's options, for this call: timeouts in seconds, ``retries``, ``verified``.

        Raises:
            ConfigurationError: An argument is wrong, boto3 (for a URL: urllib3) is missing, or no region is
                set; the message names it.
        """
        check_encoding(encoding, errors)
        invocation = build_invocation(
            function,
            payload,
            qualifier=qualifier,
            client_context=client_context,
            tenant_id=tenant_id,
            log_tail=log_tail,
            http={"method": method, "headers": headers, "query": query, "auth": auth},
            defaults=self._options,
            changes=options,
        )
        transport = self._transport.of(invocation)
        span = tracing.prepared(invocation, lambda: transport.region)
        core = StreamCore(invocation, raise_for_status=raise_for_status, span=span)
        return ResponseStream(core, transport, encoding=encoding, errors=errors)

    def stream_to_file(
        self,
        function: str,
        payload: Payload,
        target: Target,
        *,
        overwrite: bool = True,
        compression: Compression | None = "infer",
        progress: Progress = False,
        **options: Unpack[StreamOptions],
    ) -> StreamResult:
        """Stream a function's response into a file, which appears only when it is complete.

        Args:
            function: As for `stream`.
            payload: As for `stream`.
            target: A path, an fsspec URL (``s3://...``, ``memory://...``), or a file object, binary or text.
                At a path or URL the file appears when the last byte has arrived; on any error, whatever was
                there stays unchanged. A file object keeps what has arrived; it is flushed and not closed.
            overwrite: Whether the target may exist. If not, this is checked before the function is invoked
                and again at the end.
            compression: How to compress a path or a URL: "gzip", "bz2", "xz", "zstd", None for no
                compression, or "infer": by its suffix (``.gz``, ``.bz2``, ``.xz``, ``.zst``). A body that
                already has that format is written unchanged.
            progress: True for a bar on stderr if that is a terminal; or a function that is called with the
                number of bytes so far and the total, which is None if it is not known.
            **options: As for `stream`.

        Raises:
            StreamifyError: See `streamify_client.errors`.
            OSError: The target cannot be written; FileExistsError: it exists, and `overwrite` is False.
        """
        with (
            opened_sink(target, overwrite=overwrite, compression=compression) as sink,
            self.stream(function, payload, **options) as stream,
            meter(progress, name_of(target), stream.content_length) as advance,
        ):
            for data in stream.iter_text().joined() if sink.text else stream.iter_bytes().joined():
                sink.write(data)
                advance(data)
        return stream.result

    def map(
        self,
        function: str,
        payloads: Iterable[Payload],
        *,
        concurrency: int = 8,
        ordered: bool = True,
        read: Read | Callable[[ResponseStream], Any] = "text",
        **options: Unpack[StreamOptions],
    ) -> StreamMap:
        """Invoke a function once for each payload, several at a time, and return the items as they come.

        Payloads are taken one by one, in the caller's thread, when there is room: at most `concurrency`
        invocations are running or finished and not yet returned. If one fails, its item has the ``error``,
        and the others continue. Leaving the loop cancels the invocations that still run.

        Args:
            function: As for `stream`.
            payloads: One for each invocation; may be a generator.
            concurrency: How many invocations may run at once; the connection pool grows with it.
            ordered: Return the items in the order of the payloads; otherwise as they finish.
            read: How to read each stream: ``"text"``, ``"bytes"``, ``"json"``, or a function that takes the
                open stream; it is called in a thread.
            **options: As for `stream`.

        Raises:
            ConfigurationError: An argument is wrong.

        Example:
            >>> for item in client.map("summarize", pages, concurrency=20):  # doctest: +SKIP
            ...     print(item.index, item.error or item.value)
        """
        check_payloads(payloads)
        check_concurrency(concurrency, self._transport.fixed_pool_size)
        check_read(read)
        self._transport.keep(concurrency)
        self.stream(function, None, **options).cancel()  # check the options now, not once for each item

        def open_stream(payload: Payload) -> ResponseStream:
            return self.stream(function, payload, **options)

        return StreamMap(open_stream, payloads, concurrency=concurrency, ordered=ordered, read=read)

    def close(self) -> None:
        """Close the boto3 client if it was made here. One that was passed in only loses our hooks."""
        self._transport.close()

    def __repr__(self) -> str:
        return describe(self, self._about, self._options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def about(client: Any, options: Mapping[str, Any]) -> str:
    """Say where a client's requests go. The other arguments are left out: they may be secret."""
    meta = getattr(client, "meta", None)
    if client is not None:
        places = [getattr(meta, "region_name", None), getattr(meta, "endpoint_url", None)]
        return ", ".join(["on a client that was passed in", *(str(place) for place in places if place)])
    return ", ".join(str(options[name]) for name in ("region_name", "endpoint_url") if options.get(name))


def describe(client: object, where: str, options: Options) -> str:
    """Return the repr of a client."""
    parts = [where, *(f"{name}={value!r}" for name, value in options.changed.items())]
    return f"<{' '.join([type(client).__name__, ', '.join(part for part in parts if part)]).rstrip()}>"


def split_options(options: ClientOptions) -> tuple[CallOptions, dict[str, Any]]:
    """Separate our options from boto3's; an unknown option is an error."""
    ours, theirs = {}, {}
    for name, value in options.items():
        if name in CallOptions.__annotations__:
            ours[name] = value
        elif name in BotoOptions.__annotations__:
            theirs[name] = value
        else:
            raise unknown_option(name, [*CallOptions.__annotations__, *BotoOptions.__annotations__])
    return ours, theirs  # type: ignore[return-value]
