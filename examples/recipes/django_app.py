"""A Django project in one file, streamed.

    pip install django 'streamify[asgi,dev]'
    streamify dev django_app.handler

In your own project, the last line belongs in asgi.py.
"""

import asyncio
from collections.abc import AsyncIterator

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

from streamify_server.asgi import streaming_asgi

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for this example only")
django.setup()


async def rows(count: int) -> AsyncIterator[str]:
    for row in range(count):
        await asyncio.sleep(0)  # a query
        yield f"{row},{row * row}\n"


async def squares(request: HttpRequest) -> StreamingHttpResponse:
    count = int(request.GET.get("rows", "3"))
    return StreamingHttpResponse(rows(count), content_type="text/csv")


urlpatterns = [path("squares", squares)]
handler = streaming_asgi(get_asgi_application())
