"""Django, Litestar and Flask, streamed through a Function URL."""

import pytest

from streamify_client import HttpStatusError, StreamClient, TruncatedStreamError
from streamify_server.local import Fault, LocalLambda

from .conftest import Serve


@pytest.mark.parametrize("name", ["django_app", "litestar_app", "flask_app"])
def test_a_frameworks_streaming_response_arrives_whole_and_in_its_pieces(serve: Serve, name: str) -> None:
    url = serve(name)
    with StreamClient() as client, client.stream(f"{url}squares", query={"rows": 4}) as stream:
        assert list(stream.iter_bytes()) == [b"0,0\n", b"1,1\n", b"2,4\n", b"3,9\n"]
        assert (stream.status_code, stream.content_type) == (200, stream.headers["content-type"])
        assert str(stream.content_type).startswith("text/csv")
    assert stream.result.verified


@pytest.mark.parametrize("name", ["django_app", "litestar_app", "flask_app"])
def test_a_response_that_is_cut_off_is_an_error(aws: LocalLambda, serve: Serve, name: str) -> None:
    url = serve(name)
    aws.inject(name, Fault(cut_after_chunks=2, cut="clean"))
    rows: list[str] = []
    with StreamClient() as client, pytest.raises(TruncatedStreamError):
        rows.extend(client.stream(f"{url}squares", query={"rows": 4}))
    assert rows == ["0,0\n", "1,1\n"]


@pytest.mark.parametrize("name", ["django_app", "litestar_app", "flask_app"])
def test_a_path_that_is_not_there_is_the_frameworks_404(serve: Serve, name: str) -> None:
    url = serve(name)
    with StreamClient() as client, pytest.raises(HttpStatusError) as refused:
        client.stream(f"{url}nothing").open()
    assert refused.value.status_code == 404


def test_litestars_server_sent_events_are_read_as_such(serve: Serve) -> None:
    url = serve("litestar_app")
    with StreamClient() as client, client.stream(f"{url}events") as stream:
        assert [(event.event, event.data) for event in stream.iter_sse()] == [
            ("tick", str(n)) for n in range(3)
        ]
