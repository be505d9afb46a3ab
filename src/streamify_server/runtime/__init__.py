"""The transport of streamed responses: our own runtime, or a hook into the managed one.

`python -m streamify_server.runtime app.handler` starts a function on AWS's runtime client, with our client
for the Runtime API below it. In a managed runtime, `attached` does the same to the client that runs there.
"""
