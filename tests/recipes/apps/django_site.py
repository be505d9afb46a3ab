"""Django, with sessions' kind of cookies and its common middleware."""

import json
from collections.abc import AsyncIterator

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path

from streamify_server.asgi import streaming_asgi

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="for tests only",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
)
django.setup()


def item(request: HttpRequest, item: str) -> HttpResponse:
    seen = {"item": item, "path": request.path, "query": sorted(request.GET.lists())}
    return HttpResponse(json.dumps(seen), content_type="application/json")


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type=request.content_type)


def cookies(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(str(sorted(request.COOKIES.items())))
    response.set_cookie("a", "1")
    response.set_cookie("b", "two words", httponly=True)
    return response


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[str]:
        for number in range(50):
            yield f"größe {number}\n"

    return StreamingHttpResponse(pieces(), content_type="text/plain; charset=utf-8")


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def unchanged(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=304, headers={"etag": '"1"'})


def old(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/items/new")


def fails(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("before the head")


urlpatterns = [
    path("items/<path:item>", item),
    path("echo", echo),
    path("cookies", cookies),
    path("stream", stream),
    path("empty", empty),
    path("unchanged", unchanged),
    path("old", old),
    path("fails", fails),
]
app = get_asgi_application()
handler = streaming_asgi(app)
