"""Protocol logic without I/O: bytes in, items out; no sockets, no event loop, no AWS SDK.

All decoders have the same interface. ``receive(data)`` takes bytes and returns a list of the items that are
complete now. ``finish()`` means that the input has ended: it returns what is left, or raises if something is
missing. An error after good items is kept in ``error``, and the next call raises it. A decoder that has
raised stays broken and raises the same error again. For views that may be left early, ``unread(left)``
returns the bytes of unused items, where `left` are those of the last list; ``forget()`` means that all were
used. The errors are those of `streamify_client.wire.errors`.
"""

BytesLike = bytes | bytearray | memoryview


class Mark(bytes):
    """An empty chunk that marks a position in a body; every stage passes it on at its place."""
