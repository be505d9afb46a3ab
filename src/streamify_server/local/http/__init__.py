"""The HTTP/1.1 server: pure logic for heads and chunks, and a thin protocol on asyncio's transports.

It does not use h11 on asyncio's streams, for the sake of throughput: what one read returned is parsed,
reported to observers, framed and sent together, so that small chunks cost little.
"""
