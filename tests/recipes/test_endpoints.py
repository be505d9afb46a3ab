"""Endpoints that speak the APIs of OpenAI and Anthropic, read by their own SDKs and by frameworks on top."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import anthropic
import openai
import pytest
from pydantic_ai.exceptions import ModelAPIError

from .conftest import Serve, load

readers: Any = load("readers")


def pydantic_ai_words(url: str, prompt: str) -> list[str]:
    words: list[str] = asyncio.run(readers.pydantic_ai_words(url, prompt))
    return words


Words = Callable[[str, str], Iterable[str]]
READERS = pytest.mark.parametrize(
    ("endpoint", "words", "error"),
    [
        pytest.param("openai_compatible", readers.openai_words, openai.APIError, id="openai"),
        pytest.param("openai_compatible", readers.langchain_words, openai.APIError, id="langchain"),
        pytest.param("openai_compatible", pydantic_ai_words, ModelAPIError, id="pydantic-ai"),
        pytest.param("anthropic_compatible", readers.anthropic_words, anthropic.APIError, id="anthropic"),
    ],
)


@READERS
def test_a_reader_gets_word_by_word(
    serve: Serve, endpoint: str, words: Words, error: type[Exception]
) -> None:
    assert list(words(serve(endpoint), "größe 数据 🙂")) == ["größe ", "数据 ", "🙂 "]


@READERS
@pytest.mark.parametrize(
    ("does", "says"), [("refuse", "401"), ("fail", "the model gave up"), ("stall", "took too long")]
)
def test_a_model_that_fails_is_an_error_for_every_reader(
    serve: Serve, endpoint: str, words: Words, error: type[Exception], does: str, says: str
) -> None:
    url = serve("another_model", timeout=6, RECIPE=endpoint, MODEL_DOES=does)
    with pytest.raises(error, match=says):
        list(words(url, "hi"))


@READERS
def test_a_process_that_dies_is_an_error_for_every_reader(
    serve: Serve, endpoint: str, words: Words, error: type[Exception]
) -> None:
    with pytest.raises(readers.CutOffError):
        list(words(serve("another_model", RECIPE=endpoint, MODEL_DOES="die"), "hi"))


def test_the_openai_sdk_reads_a_whole_answer(serve: Serve) -> None:
    with openai.OpenAI(base_url=serve("openai_compatible") + "v1", api_key="any") as client:
        message: Any = {"role": "user", "content": "größe 数据"}
        answer = client.chat.completions.create(model="echo", messages=[message])
    assert answer.choices[0].message.content == "größe 数据 "


def test_the_anthropic_sdk_reads_a_whole_answer(serve: Serve) -> None:
    with anthropic.Anthropic(base_url=serve("anthropic_compatible"), api_key="any") as client:
        message: Any = {"role": "user", "content": "größe 数据"}
        answer: Any = client.messages.create(model="echo", max_tokens=9, messages=[message])
    assert (answer.content[0].text, answer.stop_reason) == ("größe 数据 ", "end_turn")


def test_an_unknown_model_is_refused_in_the_openai_sdk(serve: Serve) -> None:
    with (
        openai.OpenAI(base_url=serve("openai_compatible") + "v1", api_key="any") as client,
        pytest.raises(openai.NotFoundError, match="does not exist"),
    ):
        client.chat.completions.create(
            model="other", messages=[{"role": "user", "content": "hi"}], stream=True
        )


def test_an_unknown_model_is_refused_in_the_anthropic_sdk(serve: Serve) -> None:
    with (
        anthropic.Anthropic(base_url=serve("anthropic_compatible"), api_key="any") as client,
        pytest.raises(anthropic.NotFoundError),
    ):
        client.messages.create(model="other", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
