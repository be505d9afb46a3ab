"""The wire as pure logic: bytes in, items out; no sockets, no event loop, no AWS SDK.

Every decoder here has the same shape. ``receive(data)`` takes bytes in and returns a list of the items that
are complete by now. ``finish()`` says that the input has ended: it returns what is left, or raises when
something is missing. An error that is found behind good items does not keep these back: it is in ``error``,
and the next call raises it. A decoder that has raised stays broken and raises the same error again. Where a
view may be left early, ``unread(left)`` returns the bytes of which nothing was handed out, if `left` is what
remains of the last list; ``forget()`` says that nothing does. The errors are those of
`streamify_client.wire.errors`.
"""

BytesLike = bytes | bytearray | memoryview


class Mark(bytes):
    """An empty chunk that stands for a place in a body; every stage hands it on where it is."""
