"""Authentication with JSON Web Tokens (RFC 7519)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streamify_server.errors import HttpError
from streamify_server.events import header_of, query_of

from ._jwks import KeySet, UnavailableError
from ._options import check, check_options, known, missing_extra

if TYPE_CHECKING:
    from streamify_server.middleware import Request

_LONGEST = 16 * 1024  # characters of a token
Names = str | Sequence[str]


class http_jwt:
    """Accepts only requests with a valid JSON Web Token; its claims are in `request.internal["jwt"]`.

    The signature, `exp`, `nbf`, `iat`, and if configured `iss` and `aud` are checked. Other requests get 401,
    or 503 while the keys of an issuer cannot be fetched (both are `HttpError`, for `http_error_handler`). It
    is meant for streaming Function URLs with AuthType NONE and needs the extra `jwt`. Register `http_cors`
    before it: preflight requests have no token.

    Exactly one of `key`, `jwks_url`, `issuers` and `internal_key` is the source of keys.

    Args:
        algorithm: The accepted algorithms, such as "RS256"; never taken from a token alone. Either all or
            none of them are symmetric (HS...).
        key: The secret, or the public key: PEM text, or a key of `cryptography`.
        jwks_url: The URL at which the issuer publishes its keys.
        issuers: For each accepted issuer, `{"jwks_url": ...}`, and `audience` and `algorithm` if they differ.
        internal_key: Where an earlier middleware has put the key in `request.internal`; dots access nested
            values.
        issuer: Accepted values of `iss`; None accepts any.
        audience: Accepted values of `aud`; None accepts any.
        leeway: Seconds by which clocks may differ.
        require_exp: Refuse tokens that never expire.
        max_token_age: Seconds since `iat` after which a token is refused.
        token_cookie_name: Take the token from this cookie.
        token_header_name: Take it from this header; "Authorization" by default, as `Bearer`.
        token_query_string_name: Take it from this query parameter, which ends up in logs.
        payload_key: The key of the claims in `request.internal`.
        set_to_context: Also set the claims as an attribute of the context, for the handler.
        cache_expiry: Seconds for which fetched keys are kept.
        cooldown_duration: Minimum seconds between two fetches of the same keys.

    Raises:
        ModuleNotFoundError: PyJWT is not installed.
        TypeError: An option has the wrong type, or there is not exactly one source of keys.
        ValueError: An algorithm is unknown or "none", or the key does not fit it.

    Example:
        >>> import jwt, time
        >>> from streamify_server import streaming_handler
        >>> from streamify_server.middlewares import http_error_handler, http_jwt
        >>> from streamify_server.testing import invoke
        >>> secret = "a secret of at least thirty-two bytes"
        >>> auth = http_jwt(key=secret, algorithm="HS256", set_to_context=True)
        >>> @streaming_handler(middlewares=[auth, http_error_handler(logger=False)])
        ... def handler(event, context):
        ...     yield f"hello {context.jwt['sub']}"
        >>> token = jwt.encode({"sub": "ada", "exp": time.time() + 60}, secret)
        >>> invoke(handler, {"headers": {"authorization": f"Bearer {token}"}}).text
        'hello ada'
        >>> invoke(handler, {"headers": {"authorization": "Bearer x.y.z"}}).status_code
        401
    """

    def __init__(
        self,
        *,
        algorithm: Names,
        key: Any = None,
        jwks_url: str | None = None,
        issuers: Mapping[str, Mapping[str, Any]] | None = None,
        internal_key: str | None = None,
        issuer: Names | None = None,
        audience: Names | None = None,
        leeway: float = 0,
        require_exp: bool = True,
        max_token_age: float | None = None,
        token_cookie_name: str | None = None,
        token_header_name: str | None = None,
        token_query_string_name: str | None = None,
        payload_key: str = "jwt",
        set_to_context: bool = False,
        cache_expiry: float = 600,
        cooldown_duration: float = 30,
    ) -> None:
        try:
            import jwt
        except ModuleNotFoundError:
            raise missing_extra("http_jwt", "PyJWT", "jwt") from None
        self._jwt = jwt
        check_options(locals())
        if [key, jwks_url, issuers, internal_key].count(None) != 3:
            raise TypeError("http_jwt takes exactly one of key, jwks_url, issuers and internal_key.")

        def rules(url: str | None, algorithm: Names, audience: Names | None) -> _Rules:
            keys = None if url is None else KeySet(url, cache_expiry, cooldown_duration)
            return _Rules(self._algorithms(algorithm), _names("audience", audience), keys)

        self._rules = rules(jwks_url, algorithm, audience)
        self._issuers: dict[str, _Rules] | None = None if issuers is None else {}
        for name, entry in (issuers or {}).items():
            known(f"issuers[{name!r}] of http_jwt", entry, ("algorithm", "audience", "jwks_url"))
            check(f"jwks_url of issuers[{name!r}]", entry.get("jwks_url"), "str")
            entry = {"algorithm": algorithm, "audience": audience, **entry}
            assert self._issuers is not None
            self._issuers[name] = rules(entry["jwks_url"], entry["algorithm"], entry["audience"])
        if key is not None:
            self._check_key(self._rules.algorithms, key)
        self._key = key
        self._internal_key = internal_key
        self._issuer = _names("issuer", issuer)
        self._leeway = leeway
        self._required = ["exp"] * require_exp + ["iat"] * (max_token_age is not None)
        self._max_token_age = max_token_age
        self._cookie, self._query = token_cookie_name, token_query_string_name
        self._header = token_header_name or (None if token_cookie_name or self._query else "Authorization")
        self._payload_key = payload_key
        self._set_to_context = set_to_context

    def before(self, request: Request) -> None:
        """Check the token."""
        token = self._token(request.event)
        if token is None or len(token) > _LONGEST:
            raise HttpError(401, headers={"WWW-Authenticate": "Bearer"})
        try:
            claims = self._claims(token, request)
        except HttpError:
            raise
        except UnavailableError as error:
            raise HttpError(503, "The keys of the issuer cannot be fetched", expose=True) from error
        except Exception as error:  # any exception of the parsers means that the token is invalid
            raise HttpError(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from error
        request.internal[self._payload_key] = claims
        if self._set_to_context:
            setattr(request.context, self._payload_key, claims)

    def _token(self, event: Any) -> str | None:
        found = self._cookie and _cookie_of(event, self._cookie)
        if not found and self._header:
            found = header_of(event, self._header.lower())
            if found and self._header.lower() == "authorization":
                scheme, _, found = found.partition(" ")
                found = found if scheme.lower() == "bearer" and " " not in found else None
        if not found and self._query:
            found = query_of(event, self._query)
        return found or None

    def _claims(self, token: str, request: Request) -> dict[str, Any]:
        rules, issuer = self._rules, self._issuer
        if self._issuers is not None:
            name = self._jwt.decode(token, options={"verify_signature": False}).get("iss")
            if name not in self._issuers:
                raise LookupError("The issuer is unknown")
            rules, issuer = self._issuers[name], [name]
        key, algorithms = self._key_for(rules, token, request)
        claims: dict[str, Any] = self._jwt.decode(
            token,
            key,
            algorithms=algorithms,
            audience=rules.audience,
            issuer=issuer,
            leeway=self._leeway,
            options={"require": self._required, "verify_aud": rules.audience is not None},
        )
        if (
            self._max_token_age is not None
            and time.time() - claims["iat"] > self._max_token_age + self._leeway
        ):
            raise ValueError("The token is too old")
        return claims

    def _key_for(self, rules: _Rules, token: str, request: Request) -> tuple[Any, list[str]]:
        if rules.keys is None:
            key = self._key if self._internal_key is None else _internal(request, self._internal_key)
            if self._internal_key is not None:
                try:
                    self._check_key(rules.algorithms, key)
                except ValueError as error:
                    raise HttpError(500, f"internal_key of http_jwt: {error}") from error
            return key, rules.algorithms
        key_id = self._jwt.get_unverified_header(token).get("kid")
        found = rules.keys.get(key_id)
        if found is None or found.get("use", "sig") != "sig":
            raise LookupError(f"The issuer has no key {key_id!r} for signatures")
        algorithm = found.get("alg") or (rules.algorithms[0] if len(rules.algorithms) == 1 else None)
        if algorithm not in rules.algorithms:
            raise LookupError(f"The issuer's key is for the algorithm {algorithm!r}")
        return self._jwt.PyJWK(found, algorithm=algorithm).key, [algorithm]

    def _algorithms(self, given: Names) -> list[str]:
        names = _names("algorithm", given) or []
        available = set(self._jwt.algorithms.get_default_algorithms()) - {"none"}
        unknown = [name for name in names if name not in available]
        if unknown or not names:
            raise ValueError(f"algorithm takes some of {', '.join(sorted(available))}, not {given!r}.")
        if len({name.startswith("HS") for name in names}) > 1:
            raise ValueError(f"algorithm takes symmetric algorithms or public-key ones, not both: {given!r}.")
        return names

    def _check_key(self, algorithms: list[str], key: Any) -> None:
        for algorithm in algorithms:
            try:
                self._jwt.get_algorithm_by_name(algorithm).prepare_key(key)
            except Exception as error:
                raise ValueError(f"The key does not fit {algorithm}: {error}") from error


class _Rules:
    """The rules for tokens of one issuer."""

    __slots__ = ("algorithms", "audience", "keys")

    def __init__(self, algorithms: list[str], audience: list[str] | None, keys: KeySet | None) -> None:
        if keys is not None and algorithms[0].startswith("HS"):
            raise ValueError(
                "A secret cannot be published: algorithm takes RS..., PS..., ES... or EdDSA here."
            )
        self.algorithms = algorithms
        self.audience = audience
        self.keys = keys


def _names(option: str, given: Names | None) -> list[str] | None:
    if given is None or isinstance(given, str):
        return None if given is None else [given]
    check(f"{option} of http_jwt", given, "Sequence[str]")
    return list(given)


def _cookie_of(event: Any, name: str) -> str | None:
    """Return a cookie of the request; payload format 2.0 has cookies separate from the headers."""
    listed = event.get("cookies") if isinstance(event, Mapping) else None
    cookies = [*(listed if isinstance(listed, list) else ()), *(header_of(event, "cookie") or "").split(";")]
    for cookie in cookies:
        key, _, value = str(cookie).strip().partition("=")
        if key == name:
            quoted = len(value) > 1 and value[0] == value[-1] == '"'
            return value[1:-1] if quoted else value
    return None


def _internal(request: Request, path: str) -> Any:
    found: Any = request.internal
    for name in [path] if path in found else path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else getattr(found, name, None)
    if found is None:
        raise HttpError(500, f"internal_key of http_jwt: request.internal has no {path}")
    return found
