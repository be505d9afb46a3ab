"""Tokens: what one says comes back, and whatever was changed about it is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamify_server.errors import TokenError
from streamify_server.wire.token import MAX_AGE, Binding, Token, fingerprint, peek, seal, unseal

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:export"
HERE = Binding(ARN, None, b"digest")
NOW = 1_780_000_000.0
TOKEN = Token("8f3b-1", 2, 40, NOW, '{"id":7}')


def said(token: Token) -> tuple[str, int, int, float, str]:
    return token.stream, token.part, token.position, token.issued, token.state


@given(
    stream=st.text(max_size=60).filter(lambda text: text.isprintable()),
    part=st.integers(1, 2**32 - 1),
    position=st.integers(0, 2**64 - 1),
    state=st.text(max_size=100).map(json.dumps),
    keys=st.lists(st.binary(min_size=1, max_size=40), max_size=2),
)
def test_what_a_token_says_comes_back(
    stream: str, part: int, position: int, state: str, keys: list[bytes]
) -> None:
    token = Token(stream, part, position, NOW, state)
    text = seal(token, HERE, keys)
    assert said(unseal(text, HERE, keys, NOW + 1)) == said(peek(text)) == said(token)


@given(at=st.integers(0, 10_000), with_key=st.booleans(), letter=st.sampled_from("AZaz09-_"))
def test_no_character_can_be_changed(at: int, with_key: bool, letter: str) -> None:
    keys = [b"key"] if with_key else []
    text = seal(TOKEN, HERE, keys)
    at %= len(text)
    changed = text[:at] + letter + text[at + 1 :]
    if changed != text:
        with pytest.raises(TokenError):
            unseal(changed, HERE, keys, NOW)


@given(st.text(max_size=300))
def test_any_text_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(TokenError, match="cannot continue"):
        unseal(text, HERE, [], NOW)
    with pytest.raises(TokenError, match="cannot continue"):
        peek(text)


@pytest.mark.parametrize("keys", [[], [b"key"]])
@pytest.mark.parametrize(
    "there",
    [
        Binding(ARN.replace("export", "other"), None, b"digest"),
        Binding(ARN, "tenant", b"digest"),
        Binding(ARN, None, b"other"),
    ],
)
def test_a_token_of_another_function_tenant_or_payload_is_refused(there: Binding, keys: list[bytes]) -> None:
    with pytest.raises(TokenError, match="another function, tenant or payload"):
        unseal(seal(TOKEN, there, keys), HERE, keys, NOW)


def test_an_alias_or_a_version_of_the_function_goes_on_with_it() -> None:
    assert unseal(seal(TOKEN, Binding(f"{ARN}:live", None, b"digest"), []), HERE, [], NOW).part == 2


def test_a_new_key_signs_and_the_old_one_is_still_known() -> None:
    old = seal(TOKEN, HERE, [b"old"])
    assert unseal(old, HERE, [b"new", b"old"], NOW).part == 2
    assert seal(TOKEN, HERE, [b"new", b"old"]) == seal(TOKEN, HERE, [b"new"])
    with pytest.raises(TokenError, match="STREAMIFY_STATE_KEY"):
        unseal(old, HERE, [b"new"], NOW)


def test_a_token_must_be_signed_where_there_is_a_key_and_only_there() -> None:
    with pytest.raises(TokenError, match="not signed"):
        unseal(seal(TOKEN, HERE, []), HERE, [b"key"], NOW)
    with pytest.raises(TokenError, match="STREAMIFY_STATE_KEY is not set"):
        unseal(seal(TOKEN, HERE, [b"key"]), HERE, [], NOW)


@pytest.mark.parametrize("now", [NOW + MAX_AGE + 1, NOW - 3600])
def test_a_token_is_good_for_a_day(now: float) -> None:
    with pytest.raises(TokenError, match="older than 24 hours"):
        unseal(seal(TOKEN, HERE, []), HERE, [], now)


def test_a_state_has_at_most_a_kibibyte() -> None:
    with pytest.raises(ValueError, match="at most 1024 bytes of JSON, and this has 1025"):
        seal(Token("s", 1, 0, NOW, "1" * 1025), HERE, [])


def test_the_largest_token_leaves_room_in_a_client_context() -> None:
    largest = seal(Token("8" * 36, 2**32 - 1, 2**64 - 1, NOW, "1" * 1024), HERE, [b"key"])
    assert len(largest) < 1500


def test_a_fingerprint_is_that_of_the_text() -> None:
    assert fingerprint("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
