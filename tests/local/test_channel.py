"""A bounded queue between a function and its caller."""

import asyncio

from streamify_server.local.channel import Channel


async def settled(task: asyncio.Task[None]) -> bool:
    """Whether a task ends once everything that can run has run."""
    for _ in range(5):
        await asyncio.sleep(0)
    return task.done()


async def test_a_producer_waits_while_its_consumer_is_behind() -> None:
    channel = Channel()
    await channel.put([b"x" * 65536])
    second = asyncio.create_task(channel.put([b"y"]))
    assert not await settled(second)
    pieces = aiter(channel)
    assert await anext(pieces) == [b"x" * 65536]
    assert await settled(second)
    channel.end()
    assert [piece async for piece in pieces] == [[b"y"]]


async def test_a_producer_does_not_wait_for_a_consumer_that_has_gone() -> None:
    channel = Channel()
    await channel.put([b"x" * 65536])
    waiting = asyncio.create_task(channel.put([b"y"]))
    assert not await settled(waiting)
    channel.detach()
    assert await settled(waiting)
    await channel.put([b"z" * 1_000_000])


async def test_what_was_put_before_the_end_is_delivered() -> None:
    channel = Channel()
    await channel.put([b"x" * 65536])
    late = asyncio.create_task(channel.put([b"too late"]))
    assert not await settled(late)
    channel.end()
    assert await settled(late)
    assert [piece async for piece in channel] == [[b"x" * 65536]]


async def test_a_consumer_gets_a_piece_as_soon_as_it_is_there() -> None:
    channel = Channel()
    pieces = aiter(channel)
    first = asyncio.ensure_future(anext(pieces))
    await asyncio.sleep(0)
    await channel.put([b"x"])
    assert await first == [b"x"]
    channel.end()
    assert [piece async for piece in pieces] == []
