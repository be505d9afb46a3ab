"""From an invocation to a head and the bytes behind it, over HTTP."""
