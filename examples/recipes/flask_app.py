"""A Flask application, streamed.

    pip install flask 'streamify[wsgi,dev]'
    streamify dev flask_app.handler

`streaming_wsgi` takes any WSGI application; it builds the WSGI environment with a2wsgi.
"""

from collections.abc import Iterator

from flask import Flask, Response, request, stream_with_context

from streamify_server.asgi import streaming_wsgi

app = Flask(__name__)


@app.get("/squares")
def squares() -> Response:
    def lines() -> Iterator[str]:
        for row in range(int(request.args.get("rows", "3"))):
            yield f"{row},{row * row}\n"

    return Response(stream_with_context(lines()), mimetype="text/csv")


handler = streaming_wsgi(app)
