"""Send streamed responses from a function's process, in our own runtime or in the managed one.

`python -m streamify_server.runtime app.handler` starts a function on AWS's runtime client, on top of our
client for the Runtime API. In a managed runtime, `attached` does the same to the client that runs there.
"""
