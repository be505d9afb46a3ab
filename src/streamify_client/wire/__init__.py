"""The wire as pure logic: bytes in, items out; no sockets, no event loop, no AWS SDK.

Every decoder here has the same shape. ``feed(data)`` takes the bytes in and returns an iterator over the
items that are complete by now; an error is raised by that iterator at the place where it stands, after the
good items before it. ``finish()`` says that the input has ended: it returns what is left, or raises when
something is missing. A decoder that has raised stays broken and raises the same error again. The errors are
those of `streamify_client.wire.errors`.
"""

BytesLike = bytes | bytearray | memoryview
