"""Clients for the compatible endpoints: the SDKs of OpenAI and Anthropic, LangChain and pydantic-ai.

    pip install openai anthropic langchain-openai 'pydantic-ai-slim[openai]'
    python readers.py URL "What is a stream?"        # the URL of openai_compatible.py

None of them reports an answer that ends too early, and if a process dies behind a Function URL, the response
ends like a complete one. So each function here checks for the finish reason in the last chunk.
"""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any


class CutOffError(Exception):
    """The answer ended without a finish reason."""


def openai_words(url: str, prompt: str) -> Iterator[str]:
    import openai

    reason = None
    with openai.OpenAI(base_url=f"{url}v1", api_key="any") as client:
        messages: Any = [{"role": "user", "content": prompt}]
        for chunk in client.chat.completions.create(model="echo", messages=messages, stream=True):
            for choice in chunk.choices:
                reason = choice.finish_reason
                if choice.delta.content:
                    yield choice.delta.content
    if reason is None:
        raise CutOffError


def anthropic_words(url: str, prompt: str) -> Iterator[str]:
    import anthropic

    with anthropic.Anthropic(base_url=url, api_key="any") as client:
        messages: Any = [{"role": "user", "content": prompt}]
        with client.messages.stream(model="echo", max_tokens=1024, messages=messages) as stream:
            yield from stream.text_stream
            if stream.get_final_message().stop_reason is None:
                raise CutOffError


def langchain_words(url: str, prompt: str) -> Iterator[str]:
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    reason = None
    for chunk in ChatOpenAI(model="echo", base_url=f"{url}v1", api_key=SecretStr("any")).stream(prompt):
        reason = chunk.response_metadata.get("finish_reason", reason)
        if chunk.content:
            yield str(chunk.content)
    if reason is None:
        raise CutOffError


async def pydantic_ai_words(url: str, prompt: str) -> list[str]:
    import openai
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async with openai.AsyncOpenAI(base_url=f"{url}v1", api_key="any") as client:
        model = OpenAIChatModel("echo", provider=OpenAIProvider(openai_client=client))
        async with Agent(model).run_stream(prompt) as result:
            words = [word async for word in result.stream_text(delta=True, debounce_by=None)]
            # The response's own `finish_reason` defaults to "stop".
            if "finish_reason" not in (result.response.provider_details or {}):
                raise CutOffError
    return words


if __name__ == "__main__":
    for word in openai_words(*sys.argv[1:3]):
        print(word, end="", flush=True)
    print(asyncio.run(pydantic_ai_words(*sys.argv[1:3])))
