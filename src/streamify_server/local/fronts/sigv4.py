"""Verifies the signatures of requests to Function URLs with AWS_IAM, using botocore's signer."""

import hashlib
import hmac
import re
import time
from calendar import timegm
from collections.abc import Mapping
from typing import Any

from streamify_server.local.http.request import Request

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/"
    r"aws4_request"
    r", ?SignedHeaders=(?P<headers>[^,]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_SKEW_SECONDS = 300
_CONTENT_HASH = "x-amz-content-sha256"
_UNSIGNED = "UNSIGNED-PAYLOAD"


class SignatureError(Exception):
    """The request has no valid signature; the message says why."""


def verify(request: Request, body: bytes, secrets: Mapping[str, str], region: str, url: str) -> str:
    """Verify the signature in the Authorization header and return the access key.

    Args:
        request: The request.
        body: Its complete body.
        secrets: The secret key for each accepted access key.
        region: The region that the signature must be for.
        url: The URL that the caller requested.

    Raises:
        SignatureError: The signature is missing or invalid.
    """
    match = _AUTHORIZATION.fullmatch(request.header("authorization") or "")
    if match is None:
        raise SignatureError("Missing Authentication Token")
    if match["region"] != region or match["service"] != "lambda":
        raise SignatureError(f"Credential should be scoped to the region {region} and the service lambda.")
    secret = secrets.get(match["key"])
    if secret is None:
        raise SignatureError("The security token included in the request is invalid.")
    _check_time(request, match["date"])
    _check_hash(request, body)
    signed = match["headers"].split(";")
    if "host" not in signed:
        raise SignatureError("'Host' must be a signed header.")
    expected = _signature(request, body, signed, (match["key"], secret), region, url)
    if not hmac.compare_digest(expected, match["signature"]):
        raise SignatureError(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )
    return match["key"]


def _check_time(request: Request, date: str) -> None:
    stamp = request.header("x-amz-date") or ""
    try:
        signed = timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise SignatureError("The request has no valid X-Amz-Date.") from None
    if not stamp.startswith(date):
        raise SignatureError("The date of the credential is not that of X-Amz-Date.")
    if abs(time.time() - signed) > _SKEW_SECONDS:
        raise SignatureError(f"Signature expired or not yet current: {stamp}")


def _check_hash(request: Request, body: bytes) -> None:
    announced = request.header(_CONTENT_HASH)
    if announced not in (None, _UNSIGNED, hashlib.sha256(body).hexdigest()):
        raise SignatureError("X-Amz-Content-SHA256 is not that of the body.")


def _signature(
    request: Request,
    body: bytes,
    signed: list[str],
    credentials: tuple[str, str],
    region: str,
    url: str,
) -> str:
    try:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.compat import HTTPHeaders
        from botocore.credentials import Credentials
    except ModuleNotFoundError:
        raise ModuleNotFoundError("AWS_IAM needs botocore: pip install 'streamify[client]'") from None
    sent = {name: value for name, value in request.headers if name in {*signed, _CONTENT_HASH}}
    replayed = AWSRequest(request.method, url, sent, body)
    replayed.context["timestamp"] = request.header("x-amz-date")
    auth: Any = SigV4Auth(Credentials(*credentials), "lambda", region)
    # Use the headers that the caller signed, not those that botocore would sign.
    headers = HTTPHeaders()
    for name in signed:
        headers[name] = request.header(name) or ""
    auth.headers_to_sign = lambda _: headers
    canonical = auth.canonical_request(replayed)
    return str(auth.signature(auth.string_to_sign(replayed, canonical), replayed))
