"""Endpoints that speak the APIs of OpenAI and Anthropic, read by their own SDKs and by frameworks on top."""

import asyncio
from typing import Any

import anthropic
import openai
import pytest

from .conftest import Serve

MESSAGE: Any = {"role": "user", "content": "größe 数据 🙂"}
FAILING: Any = {"role": "user", "content": "begun fail"}


@pytest.fixture
def openai_url(serve: Serve) -> str:
    return serve("openai_compatible") + "v1"


def test_the_openai_sdk_reads_word_by_word(openai_url: str) -> None:
    with openai.OpenAI(base_url=openai_url, api_key="any") as client:
        stream: Any = client.chat.completions.create(model="echo", messages=[MESSAGE], stream=True)
        words = [chunk.choices[0].delta.content for chunk in stream]
    assert words == ["", "größe ", "数据 ", "🙂 ", None]


def test_the_openai_sdk_reads_a_whole_answer(openai_url: str) -> None:
    with openai.OpenAI(base_url=openai_url, api_key="any") as client:
        answer = client.chat.completions.create(model="echo", messages=[MESSAGE])
    assert answer.choices[0].message.content == "größe 数据 🙂 "


def test_an_error_in_mid_stream_raises_in_the_openai_sdk(openai_url: str) -> None:
    words: list[str | None] = []
    with openai.OpenAI(base_url=openai_url, api_key="any") as client:
        stream: Any = client.chat.completions.create(model="echo", messages=[FAILING], stream=True)
        with pytest.raises(openai.APIError, match="the model gave up"):
            words.extend(chunk.choices[0].delta.content for chunk in stream)
    assert words == ["", "begun "]


def test_an_unknown_model_is_refused_in_the_openai_sdk(openai_url: str) -> None:
    with (
        openai.OpenAI(base_url=openai_url, api_key="any") as client,
        pytest.raises(openai.NotFoundError, match="does not exist"),
    ):
        client.chat.completions.create(model="other", messages=[MESSAGE], stream=True)


def test_pydantic_ai_reads_it(openai_url: str) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async def read() -> list[str]:
        async with openai.AsyncOpenAI(base_url=openai_url, api_key="any") as client:
            model = OpenAIChatModel("echo", provider=OpenAIProvider(openai_client=client))
            async with Agent(model).run_stream("one two three") as result:
                return [word async for word in result.stream_text(delta=True, debounce_by=None)]

    assert "".join(asyncio.run(read())) == "one two three "


def test_langchain_reads_it(openai_url: str) -> None:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    model = ChatOpenAI(model="echo", base_url=openai_url, api_key=SecretStr("any"))
    words = [chunk.content for chunk in model.stream("one two three")]
    assert [word for word in words if word] == ["one ", "two ", "three "]


@pytest.fixture
def anthropic_url(serve: Serve) -> str:
    return serve("anthropic_compatible")


def test_the_anthropic_sdk_reads_word_by_word(anthropic_url: str) -> None:
    with (
        anthropic.Anthropic(base_url=anthropic_url, api_key="any") as client,
        client.messages.stream(model="echo", max_tokens=99, messages=[MESSAGE]) as stream,
    ):
        assert list(stream.text_stream) == ["größe ", "数据 ", "🙂 "]
        assert stream.get_final_message().usage.output_tokens == 3


def test_an_error_in_mid_stream_raises_in_the_anthropic_sdk(anthropic_url: str) -> None:
    words: list[str] = []
    with (
        anthropic.Anthropic(base_url=anthropic_url, api_key="any") as client,
        client.messages.stream(model="echo", max_tokens=99, messages=[FAILING]) as stream,
        pytest.raises(anthropic.APIError, match="the model gave up"),
    ):
        words.extend(stream.text_stream)
    assert words == ["begun "]


def test_an_unknown_model_is_refused_in_the_anthropic_sdk(anthropic_url: str) -> None:
    with (
        anthropic.Anthropic(base_url=anthropic_url, api_key="any") as client,
        pytest.raises(anthropic.NotFoundError),
    ):
        client.messages.create(model="other", max_tokens=9, messages=[MESSAGE])
