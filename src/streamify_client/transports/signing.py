"""Signature Version 4 for requests to Function URLs, by botocore."""

import asyncio
import contextlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from streamify_client._extras import require
from streamify_client.errors import ConfigurationError
from streamify_client.request.url import HttpRequest, canonical_query, lambda_region

_SIGNED = ("content-type", "x-amz-")  # proxies may change the others


class Signer:
    """Signs requests with the credentials of a client.

    Args:
        load: Returns botocore's credentials, or None if there are none; for asyncio it may return an
            awaitable. It is called once, for the first request that must be signed.
        region: The region for hosts that do not contain it.
    """

    def __init__(self, load: Callable[[], Any], region: str | None) -> None:
        self._load = load
        self._region = region
        self._credentials: Any = None
        self._loaded = False

    def sign(self, request: HttpRequest) -> HttpRequest:
        """Return the request, signed if required.

        Raises:
            ConfigurationError: It must be signed, but there are no credentials, or no region.
        """
        if not _wants_signature(request):
            return request
        with _explaining():
            if not self._loaded:
                self._credentials, self._loaded = self._load(), True
            frozen = None if self._credentials is None else self._credentials.get_frozen_credentials()
        return self._signed(request, frozen)

    async def sign_async(self, request: HttpRequest) -> HttpRequest:
        """Sign without blocking the event loop: credentials may come from files, processes or the network."""
        if not _wants_signature(request):
            return request
        with _explaining():
            if not self._loaded:
                credentials = await _call(self._load)
                self._credentials, self._loaded = credentials, True
            credentials = self._credentials
            frozen = None if credentials is None else await _call(credentials.get_frozen_credentials)
        return self._signed(request, frozen)

    def _signed(self, request: HttpRequest, credentials: Any) -> HttpRequest:
        if credentials is None or not credentials.access_key:
            if request.auth == "iam":
                raise ConfigurationError(
                    "auth='iam' needs AWS credentials: set AWS_PROFILE, or run `aws configure` or "
                    "`aws sso login`."
                )
            return request
        region = lambda_region(request) or self._region
        if region is None:
            raise ConfigurationError(
                f"auth='iam' needs a region for {request.host}: pass region_name= to the client."
            )
        return sign(request, credentials, region)


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    """Turn botocore's errors about credentials into ours."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        from .boto_errors import credentials_error

        raise credentials_error(error) from error


def _wants_signature(request: HttpRequest) -> bool:
    if request.auth == "auto":
        signed_by_caller = request.header("authorization") is not None or "X-Amz-Signature=" in request.query
        return lambda_region(request) is not None and not signed_by_caller
    return request.auth == "iam"


async def _call(function: Callable[[], Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function()
    found = await asyncio.to_thread(function)
    return await found if inspect.isawaitable(found) else found


def sign(request: HttpRequest, credentials: Any, region: str) -> HttpRequest:
    """Return the request with a signature for the service ``lambda``.

    Args:
        request: The request. Its query is normalized to the form that is signed.
        credentials: botocore's, frozen.
        region: The region of the function.

    Raises:
        ConfigurationError: botocore is missing.
    """
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
    except ImportError as error:
        raise ConfigurationError("Signing needs botocore: pip install 'streamify[url]'.") from error
    request = replace(request, query=canonical_query(request.query))
    signed = AWSRequest(
        request.method,
        request.origin + request.target,
        headers={name: value for name, value in request.headers if name.lower().startswith(_SIGNED)},
        data=request.body or b"",
    )
    signed.headers["host"] = request.authority
    if "x-amz-content-sha256" not in signed.headers:
        signed.headers["x-amz-content-sha256"] = _EMPTY_SHA256
    SigV4Auth(credentials, "lambda", region).add_auth(signed)
    others = (pair for pair in request.headers if pair[0].lower() not in signed.headers)
    return replace(
        request, headers=(*others, *((name, str(value)) for name, value in signed.headers.items()))
    )


_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def signer_of(client: Any, session: Any, options: Mapping[str, Any]) -> Signer:
    """Create a signer with the credentials that a client for functions by name would have.

    Args:
        client: A boto client that was passed in, or None.
        session: A session that was passed in, or None.
        options: boto3's keyword arguments.
    """
    if client is not None:
        signer = getattr(client, "_request_signer", None)  # botocore has no public name for it
        region = getattr(getattr(client, "meta", None), "region_name", None)
        return Signer(lambda: getattr(signer, "_credentials", None), region)
    return Signer(lambda: _credentials(session, options), _region(session, options))


def _credentials(session: Any, options: Mapping[str, Any]) -> Any:
    kinds = require("botocore.credentials", "Signing", "url")
    access_key, secret_key = options.get("aws_access_key_id"), options.get("aws_secret_access_key")
    if access_key and secret_key:
        return kinds.Credentials(access_key, secret_key, options.get("aws_session_token"))
    found = session or require("botocore.session", "Signing", "url").get_session()
    return found.get_credentials()


def _region(session: Any, options: Mapping[str, Any]) -> str | None:
    found = options.get("region_name") or getattr(session, "region_name", None)
    return found or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
