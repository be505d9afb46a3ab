"""http_jwt: only a request whose token is signed, fresh and meant for us gets through."""

import builtins
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from streamify_server import HttpError, streaming_handler
from streamify_server.middlewares import _jwks, http_cors, http_error_handler, http_jwt
from streamify_server.middlewares._jwks import KeySet, UnavailableError
from support.answers import answer_with, context, get

HOUR = 3600
SECRET = "a secret of at least sixty-four bytes, which is what HS512 wants for its keys"
OTHER_SECRET = SECRET[::-1]
RSA_KEY = rsa.generate_private_key(65537, 2048)
OTHER_RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def public(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def jwk(key: Any, key_id: str | None = "k1", **more: Any) -> dict[str, Any]:
    algorithm: Any = jwt.get_algorithm_by_name("RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256")
    found = json.loads(algorithm.to_jwk(key.public_key()))
    return {**found, **({} if key_id is None else {"kid": key_id}), **more}


def token(key: Any = SECRET, algorithm: str = "HS256", key_id: str | None = None, **claims: Any) -> str:
    payload = {"sub": "ada", "exp": time.time() + HOUR, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key, algorithm, headers={"kid": key_id} if key_id else None)


def bearer(value: str) -> dict[str, Any]:
    return get(authorization=f"Bearer {value}")


def claims_of(middleware: Any, event: Any) -> Any:
    seen: list[Any] = []
    handler = streaming_handler(middlewares=middleware)(lambda event, context: "x")
    handler.before(lambda request: seen.append(dict(request.internal)))
    handler(event, context())
    return seen[0]["jwt"]


def status_of(middleware: Any, event: Any) -> int:
    with pytest.raises(HttpError) as refused:
        claims_of(middleware, event)
    return refused.value.status_code


@pytest.mark.parametrize(
    ("options", "signing_key", "algorithm"),
    [
        ({"key": SECRET, "algorithm": "HS256"}, SECRET, "HS256"),
        ({"key": SECRET.encode(), "algorithm": ["HS256", "HS384"]}, SECRET, "HS384"),
        ({"key": public(RSA_KEY), "algorithm": "RS256"}, RSA_KEY, "RS256"),
        ({"key": public(RSA_KEY), "algorithm": ["RS256", "PS256"]}, RSA_KEY, "PS256"),
        ({"key": RSA_KEY.public_key(), "algorithm": "RS512"}, RSA_KEY, "RS512"),
        ({"key": public(EC_KEY), "algorithm": "ES256"}, EC_KEY, "ES256"),
        ({"key": public(ED_KEY), "algorithm": "EdDSA"}, ED_KEY, "EdDSA"),
    ],
)
def test_a_signed_token_gets_through_and_its_claims_are_kept(
    options: Any, signing_key: Any, algorithm: str
) -> None:
    found = claims_of(http_jwt(**options), bearer(token(signing_key, algorithm, role="admin")))
    assert (found["sub"], found["role"]) == ("ada", "admin")


def forged(header: dict[str, Any], payload: str | bytes = b"{}", signature: str = "AAAA") -> str:
    from base64 import urlsafe_b64encode

    parts = [json.dumps(header).encode(), payload.encode() if isinstance(payload, str) else payload]
    return ".".join([*(urlsafe_b64encode(part).decode().rstrip("=") for part in parts), signature])


HOSTILE: dict[str, Any] = {
    "no token": get(),
    "another scheme": get(authorization=f"Basic {token()}"),
    "no scheme": get(authorization=token()),
    "three words": get(authorization=f"Bearer {token()} junk"),
    "two tokens": {**get(), "headers": {"authorization": [f"Bearer {token()}", f"Bearer {token()}"]}},
    "no event": None,
    "a list": [],
    "text": "Bearer x",
    "headers that are none": {"headers": 3, "cookies": 4},
    "not a token": bearer("nonsense"),
    "empty parts": bearer(".."),
    "another key": bearer(token(OTHER_SECRET)),
    "another algorithm": bearer(token(algorithm="HS512")),
    "expired": bearer(token(exp=time.time() - 10)),
    "not yet valid": bearer(token(nbf=time.time() + HOUR)),
    "issued in the future": bearer(token(iat=time.time() + HOUR)),
    "no expiry": bearer(token(exp=None)),
    "endless expiry": bearer(token(exp=float("inf"))),
    "an expiry that is none": bearer(forged({"alg": "HS256"}, '{"exp": "soon"}')),
    "alg none": bearer(jwt.encode({"sub": "ada", "exp": 9e9}, "", "none")),
    "alg none without signature": bearer(forged({"alg": "none"}, b"{}", "")),
    "a header that is no object": bearer("W10.e30.AAAA"),
    "a kid that is not text": bearer(forged({"alg": "HS256", "kid": {"a": 1}})),
    "a payload that is no object": bearer(forged({"alg": "HS256"}, "[]")),
    "a payload that is not UTF-8": bearer(forged({"alg": "HS256"}, b"\xff\xfe")),
    "a nested payload": bearer(forged({"alg": "HS256"}, "[" * 9000)),
    "a huge token": bearer("a" * 5_000_000),
    "a critical header": bearer(jwt.encode({"exp": 9e9}, SECRET, headers={"crit": ["x"], "x": 1})),
    "not ASCII": bearer("ü.ü.ü"),
    "surrogates": bearer("\ud800.\udfff.x"),
    "NUL": bearer("\0.\0.\0"),
}


@pytest.mark.parametrize("event", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(
    "options",
    [
        {"key": SECRET, "algorithm": "HS256"},
        {"issuers": {"https://idp": {"jwks_url": "http://localhost:1/"}}, "algorithm": "RS256"},
    ],
    ids=["key", "issuers"],
)
def test_nothing_else_gets_through(options: Any, event: Any) -> None:
    assert status_of(http_jwt(**options), event) == 401


@given(st.text(max_size=80))
@settings(max_examples=200)
def test_no_text_is_a_token(text: str) -> None:
    assert status_of(http_jwt(key=SECRET, algorithm="HS256"), bearer(text)) == 401


def test_a_refusal_says_nothing_but_that_it_is_one() -> None:
    middlewares = [http_jwt(key=SECRET, algorithm="HS256"), http_error_handler(logger=False)]
    answer = answer_with(middlewares, "secret", bearer(token(OTHER_SECRET)))
    assert (answer.status, answer.body) == (401, b"Unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert answer_with(middlewares, "secret", get()).headers["www-authenticate"] == "Bearer"


def test_a_public_key_is_never_taken_for_a_secret() -> None:
    import hashlib
    import hmac
    from base64 import urlsafe_b64encode

    unsigned = forged({"alg": "HS256"}, json.dumps({"exp": 9e9})).rpartition(".")[0]
    signature = hmac.new(public(RSA_KEY).encode(), unsigned.encode(), hashlib.sha256).digest()
    confused = f"{unsigned}.{urlsafe_b64encode(signature).decode().rstrip('=')}"
    assert status_of(http_jwt(key=public(RSA_KEY), algorithm="RS256"), bearer(confused)) == 401


@pytest.mark.parametrize(
    ("options", "claims", "passes"),
    [
        ({"audience": "us"}, {"aud": "us"}, True),
        ({"audience": ["a", "us"]}, {"aud": ["us", "them"]}, True),
        ({"audience": "us"}, {"aud": "them"}, False),
        ({"audience": "us"}, {}, False),
        ({}, {"aud": "anybody"}, True),
        ({"issuer": "https://idp"}, {"iss": "https://idp"}, True),
        ({"issuer": ["https://a", "https://idp"]}, {"iss": "https://idp"}, True),
        ({"issuer": "https://idp"}, {"iss": "https://evil"}, False),
        ({"issuer": "https://idp"}, {}, False),
        ({}, {"iss": "anybody"}, True),
        ({"leeway": HOUR}, {"exp": time.time() - 5}, True),
        ({"leeway": 60.5}, {"nbf": time.time() + 5}, True),
        ({}, {"exp": None}, False),
        ({"require_exp": False}, {"exp": None}, True),
        ({"max_token_age": 2 * HOUR}, {"iat": time.time() - HOUR}, True),
        ({"max_token_age": 60}, {"iat": time.time() - 90}, False),
        ({"max_token_age": 60, "leeway": HOUR}, {"iat": time.time() - 90}, True),
        ({"max_token_age": 60}, {}, False),
    ],
)
def test_claims_are_checked_as_the_options_say(options: Any, claims: Any, passes: bool) -> None:
    middleware = http_jwt(key=SECRET, algorithm="HS256", **options)
    event = bearer(token(**claims))
    if passes:
        assert claims_of(middleware, event)["sub"] == "ada"
    else:
        assert status_of(middleware, event) == 401


def in_cookie(value: str) -> dict[str, Any]:
    return {**get(), "cookies": ["a=b", f"session={value}"]}


@pytest.mark.parametrize(
    ("options", "event"),
    [
        ({}, get(authorization=f"bearer {token()}")),
        ({}, {"headers": {"AUTHORIZATION": f"Bearer {token()}"}}),
        ({}, {"multiValueHeaders": {"authorization": [f"Bearer {token()}"]}}),
        ({"token_cookie_name": "session"}, in_cookie(token())),
        ({"token_cookie_name": "session"}, get(cookie=f"a=b; session={token()}")),
        ({"token_cookie_name": "session"}, {"headers": {"Cookie": f'session="{token()}"'}}),
        ({"token_header_name": "X-Token"}, get(x_token=token())),
        ({"token_query_string_name": "t"}, {**get(), "queryStringParameters": {"t": token()}}),
        (
            {"token_cookie_name": "session", "token_header_name": "Authorization"},
            {**bearer("x.y.z"), "cookies": [f"session={token()}"]},
        ),
        ({"token_cookie_name": "session", "token_header_name": "Authorization"}, bearer(token())),
        (
            {"token_header_name": "Authorization", "token_query_string_name": "t"},
            {**get(authorization="Basic x"), "queryStringParameters": {"t": token()}},
        ),
    ],
)
def test_a_token_is_found_where_the_options_say(options: Any, event: Any) -> None:
    assert claims_of(http_jwt(key=SECRET, algorithm="HS256", **options), event)["sub"] == "ada"


@pytest.mark.parametrize(
    ("options", "event"),
    [
        ({"token_cookie_name": "session"}, bearer(token())),
        ({"token_cookie_name": "session"}, in_cookie("")),
        ({"token_cookie_name": "session"}, in_cookie('"')),
        ({"token_cookie_name": "session"}, get(cookie=f"xsession={token()}")),
        ({"token_query_string_name": "t"}, bearer(token())),
        ({"token_header_name": "x-token"}, bearer(token())),
    ],
)
def test_a_token_is_not_looked_for_elsewhere(options: Any, event: Any) -> None:
    assert status_of(http_jwt(key=SECRET, algorithm="HS256", **options), event) == 401


def test_claims_go_where_they_are_wanted() -> None:
    seen = context()
    auth = http_jwt(key=SECRET, algorithm="HS256", payload_key="who", set_to_context=True)
    handler = streaming_handler(middlewares=auth)(lambda event, context: context.who["sub"])
    assert handler(bearer(token()), seen) is not None
    assert seen.who["sub"] == "ada"  # type: ignore[attr-defined]
    bare = context()
    streaming_handler(middlewares=http_jwt(key=SECRET, algorithm="HS256"))(lambda event, context: "x")(
        bearer(token()), bare
    )
    assert not hasattr(bare, "jwt")


@pytest.mark.parametrize(
    ("internal", "path", "status"),
    [
        ({"key": SECRET}, "key", None),
        ({"keys": {"hmac": SECRET}}, "keys.hmac", None),
        ({"my.key": SECRET}, "my.key", None),
        ({}, "key", 500),
        ({"key": 5}, "key", 500),
    ],
)
def test_a_key_may_come_from_an_earlier_middleware(internal: Any, path: str, status: int | None) -> None:
    auth = http_jwt(internal_key=path, algorithm="HS256")
    handler = streaming_handler(middlewares=auth, internal=internal)(lambda event, context: "x")
    if status is None:
        handler(bearer(token()), None)
        return
    with pytest.raises(HttpError) as refused:
        handler(bearer(token()), None)
    assert refused.value.status_code == status


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"algorithm": "HS256"}, TypeError),
        ({"algorithm": "HS256", "key": SECRET, "jwks_url": "https://idp"}, TypeError),
        ({"key": SECRET}, TypeError),
        ({"key": SECRET, "algorithm": []}, ValueError),
        ({"key": SECRET, "algorithm": "none"}, ValueError),
        ({"key": SECRET, "algorithm": ["HS256", "none"]}, ValueError),
        ({"key": SECRET, "algorithm": "HS255"}, ValueError),
        ({"key": SECRET, "algorithm": ["HS256", "RS256"]}, ValueError),
        ({"key": SECRET, "algorithm": "RS256"}, ValueError),
        ({"key": public(RSA_KEY), "algorithm": "HS256"}, ValueError),
        ({"key": public(RSA_KEY), "algorithm": "ES256"}, ValueError),
        ({"jwks_url": "https://idp", "algorithm": "HS256"}, ValueError),
        ({"jwks_url": "http://idp.example/keys", "algorithm": "RS256"}, ValueError),
        ({"jwks_url": "file:///etc/passwd", "algorithm": "RS256"}, ValueError),
        ({"issuers": {"a": {}}, "algorithm": "RS256"}, TypeError),
        ({"issuers": {"a": {"jwksUri": "https://a"}}, "algorithm": "RS256"}, TypeError),
        (
            {"issuers": {"a": {"jwks_url": "https://a", "algorithm": "none"}}, "algorithm": "RS256"},
            ValueError,
        ),
        ({"key": SECRET, "algorithm": "HS256", "leeway": "x"}, TypeError),
        ({"key": SECRET, "algorithm": "HS256", "leeway": -1}, ValueError),
        ({"key": SECRET, "algorithm": "HS256", "set_to_context": 1}, TypeError),
        ({"key": SECRET, "algorithm": "HS256", "payload_key": 1}, TypeError),
        ({"key": SECRET, "algorithm": "HS256", "token_cookie_name": 1}, TypeError),
        ({"key": SECRET, "algorithm": "HS256", "audience": 3}, TypeError),
        ({"key": SECRET, "algorithm": "HS256", "audiense": "us"}, TypeError),
    ],
)
def test_options_that_would_let_too_much_through_are_refused(options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        http_jwt(**options)


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "jwt":
            raise ModuleNotFoundError(name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'streamify\[jwt\]'"):
        http_jwt(key=SECRET, algorithm="HS256")


def test_a_preflight_carries_no_token_and_is_answered_by_cors_before() -> None:
    middlewares = [
        http_cors(origin="*", disable_before_preflight_response=False),
        http_jwt(key=SECRET, algorithm="HS256"),
        http_error_handler(logger=False),
    ]
    event = get(origin="https://a")
    event["requestContext"]["http"]["method"] = "OPTIONS"
    assert answer_with(middlewares, "x", event).status == 204
    refused = answer_with(middlewares, "x", get(origin="https://a"))
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, "*")


class Issuer:
    """An issuer's server: the body and status that it answers with, and how often it was asked."""

    def __init__(self) -> None:
        self.body = json.dumps({"keys": []}).encode()
        self.status = 200
        self.asked = 0
        self.url = ""

    def publish(self, *keys: Any) -> None:
        self.body = json.dumps({"keys": keys}).encode()


@contextmanager
def issuing() -> Iterator[Issuer]:
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            self.send_response(issuer.status)
            self.send_header("content-length", str(len(issuer.body)))
            self.send_header("location", "/elsewhere")
            self.end_headers()
            self.wfile.write(issuer.body)

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        issuer.url = f"http://127.0.0.1:{server.server_port}/keys"
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        yield found


def test_the_keys_of_an_issuer_are_fetched_once_and_kept(issuer: Issuer) -> None:
    issuer.publish(jwk(EC_KEY, "other", alg="ES256"), jwk(RSA_KEY, alg="RS256"))
    auth = http_jwt(jwks_url=issuer.url, algorithm=["RS256", "ES256"])
    assert issuer.asked == 0
    for _ in range(3):
        assert claims_of(auth, bearer(token(RSA_KEY, "RS256", "k1")))["sub"] == "ada"
    assert claims_of(auth, bearer(token(EC_KEY, "ES256", "other")))["sub"] == "ada"
    assert issuer.asked == 1


@pytest.mark.parametrize(
    ("published", "sent", "algorithm"),
    [
        ([jwk(RSA_KEY)], (OTHER_RSA_KEY, "RS256", "k1"), "RS256"),
        ([jwk(RSA_KEY)], (RSA_KEY, "RS256", "unknown"), "RS256"),
        ([jwk(RSA_KEY), jwk(EC_KEY, "k2")], (RSA_KEY, "RS256", None), "RS256"),
        ([jwk(RSA_KEY, alg="RS512")], (RSA_KEY, "RS256", "k1"), "RS256"),
        ([jwk(RSA_KEY, use="enc")], (RSA_KEY, "RS256", "k1"), "RS256"),
        ([jwk(RSA_KEY)], (RSA_KEY, "RS256", "k1"), ["RS256", "RS512"]),
        ([jwk(RSA_KEY, alg="RS256")], (RSA_KEY, "RS512", "k1"), ["RS256", "RS512"]),
        ([{"kid": "k1", "kty": "RSA", "n": "nonsense"}], (RSA_KEY, "RS256", "k1"), "RS256"),
        ([{"kid": "k1", "kty": "oct", "k": "c2VjcmV0"}], (RSA_KEY, "RS256", "k1"), "RS256"),
        (["no key"], (RSA_KEY, "RS256", "k1"), "RS256"),
    ],
)
def test_a_token_that_no_published_key_is_meant_for_is_refused(
    published: Any, sent: Any, algorithm: Any, issuer: Issuer
) -> None:
    issuer.publish(*published)
    assert status_of(http_jwt(jwks_url=issuer.url, algorithm=algorithm), bearer(token(*sent))) == 401


def test_the_only_key_serves_tokens_without_a_key_id(issuer: Issuer) -> None:
    issuer.publish(jwk(RSA_KEY, None))
    assert claims_of(http_jwt(jwks_url=issuer.url, algorithm="RS256"), bearer(token(RSA_KEY, "RS256")))


def test_issuers_each_have_their_own_keys_audience_and_algorithm() -> None:
    with issuing() as one, issuing() as two:
        one.publish(jwk(RSA_KEY))
        two.publish(jwk(EC_KEY))
        auth = http_jwt(
            issuers={
                "https://one": {"jwks_url": one.url},
                "https://two": {"jwks_url": two.url, "algorithm": "ES256", "audience": "them"},
            },
            algorithm="RS256",
            audience="us",
        )
        assert claims_of(auth, bearer(token(RSA_KEY, "RS256", "k1", iss="https://one", aud="us")))
        assert claims_of(auth, bearer(token(EC_KEY, "ES256", "k1", iss="https://two", aud="them")))
        for refused in (
            token(EC_KEY, "ES256", "k1", iss="https://two", aud="us"),
            token(EC_KEY, "ES256", "k1", iss="https://one", aud="us"),
            token(RSA_KEY, "RS256", "k1", iss="https://two", aud="them"),
            token(RSA_KEY, "RS256", "k1", iss="https://three", aud="us"),
            token(RSA_KEY, "RS256", "k1", aud="us"),
        ):
            assert status_of(auth, bearer(refused)) == 401


BROKEN: dict[str, Callable[[Issuer], None]] = {
    "an error": lambda issuer: setattr(issuer, "status", 500),
    "a redirect": lambda issuer: setattr(issuer, "status", 302),
    "no JSON": lambda issuer: setattr(issuer, "body", b"<html>"),
    "no keys": lambda issuer: setattr(issuer, "body", b"{}"),
    "no object": lambda issuer: setattr(issuer, "body", b"[]"),
    "endless": lambda issuer: setattr(issuer, "body", b" " * (1024 * 1024 + 1)),
    "nested": lambda issuer: setattr(issuer, "body", b"[" * 100_000),
}


@pytest.mark.parametrize("break_it", BROKEN.values(), ids=BROKEN)
def test_while_the_keys_cannot_be_fetched_the_answer_is_503_and_the_issuer_is_left_in_peace(
    break_it: Callable[[Issuer], None], issuer: Issuer
) -> None:
    issuer.publish(jwk(RSA_KEY))
    break_it(issuer)
    auth = http_jwt(jwks_url=issuer.url, algorithm="RS256")
    assert [status_of(auth, bearer(token(RSA_KEY, "RS256", "k1"))) for _ in range(3)] == [503] * 3
    assert issuer.asked == 1


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_server_that_sends_a_byte_now_and_then_is_not_waited_for(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_jwks, "_TIMEOUT", 0.2)
    given_up = Event()

    def drip() -> None:
        peer, _ = listener.accept()
        with peer, suppress(OSError):
            peer.sendall(head)
            while not given_up.wait(0.01):
                peer.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(TimeoutError, match=r"within 0\.2 s"):
                _jwks.fetched(f"http://127.0.0.1:{listener.getsockname()[1]}/keys")
        finally:
            given_up.set()
            thread.join()


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("streamify_server.middlewares._jwks.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def key_set(documents: list[Any]) -> KeySet:
    """Keys that are fetched from this list; an exception in it is raised."""
    waiting = iter(documents)

    def fetch(url: str) -> Any:
        found = next(waiting)
        if isinstance(found, Exception):
            raise found
        return {"keys": [{"kid": key_id} for key_id in found]}

    return KeySet("https://idp", max_age=600, cooldown=30, fetch=fetch)


def test_a_new_key_is_found_after_the_cooldown_and_made_up_ids_cause_no_traffic(clock: Clock) -> None:
    keys = key_set([["old"], ["old", "new"]])
    assert keys.get("old") == {"kid": "old"}
    assert keys.get("new") is None
    assert [keys.get(f"made up {number}") for number in range(1000)] == [None] * 1000
    clock.now += 30
    assert keys.get("new") == {"kid": "new"}
    assert keys.get("made up") is None


def test_keys_are_fetched_again_when_they_are_old(clock: Clock) -> None:
    keys = key_set([["a"], ["b"]])
    assert keys.get("a") is not None
    clock.now += 599
    assert keys.get("a") is not None
    clock.now += 1
    assert keys.get("a") is None
    assert keys.get("b") is not None


def test_fresh_keys_outlive_a_failing_fetch_and_old_ones_do_not(clock: Clock) -> None:
    keys = key_set([["a"], OSError("down"), OSError("down"), ["a"]])
    assert keys.get("a") is not None
    clock.now += 100
    assert keys.get("new") is None
    assert keys.get("a") is not None
    clock.now += 600
    for _ in range(2):
        with pytest.raises(UnavailableError):
            keys.get("a")
    clock.now += 30
    assert keys.get("a") is not None
