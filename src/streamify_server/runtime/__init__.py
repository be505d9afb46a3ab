"""How streamed responses leave a function's process: a runtime of our own, or a seat in the managed one.

`python -m streamify_server.runtime app.handler` starts a function on AWS's runtime client with our client of
the Runtime API under it. In a managed runtime, `attached` does the same to the client that runs there.
"""
