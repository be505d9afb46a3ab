"""A client that is used after a fork: parent and child share no connection, and neither ends the other's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.boto_models import WARNINGS_ARE_ERRORS
from support.callers import WAYS, answer
from support.http_peers import PLAIN
from support.wire_server import Peer, WireServer, complete_frame, payload_frame

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
every_way = pytest.mark.parametrize("way", WAYS)

# Each script is run with the server's URL, the way of calling, and a file that says that the child is gone.
BEGINNING = """
import asyncio, os, sys
from streamify_client import AsyncStreamClient, StreamClient
url, way, gone = sys.argv[1:]
kind = AsyncStreamClient if way.startswith("async") else StreamClient
client = kind(endpoint_url=url, region_name="us-east-1", aws_access_key_id="a",
              aws_secret_access_key="b", connect_timeout=20)
function = "fn" if way.endswith("name") else url
def end_of(child):
    assert os.waitpid(child, 0)[1] == 0
    open(gone, "w").close()
"""
BLOCKING = (
    BEGINNING
    + """
stream = client.stream(function).open()
chunks = stream.iter_bytes()
assert next(chunks) == b"first"
child = os.fork()
if child == 0:
    %s
    sys.exit(0)  # an end as every process has one: all objects are freed
end_of(child)
assert list(chunks) == [b"second"], "the child cut its parent's stream"
client.close()
"""
)
ASYNCIO = (
    BEGINNING
    + """
async def main():
    stream = await client.stream(function).open()
    chunks = stream.iter_bytes()
    assert await anext(chunks) == b"first"
    child = os.fork()
    if child == 0:
        %s
        os._exit(0)  # the loop is the parent's
    end_of(child)
    assert [chunk async for chunk in chunks] == [b"second"], "the child cut its parent's stream"
    await client.close()
asyncio.run(main())
"""
)
READS = """
    try:
        next(chunks)
    except Exception as error:
        assert "before a fork" in str(error), error
    else:
        os._exit(1)
"""
BOTH_CALL = (
    BEGINNING
    + """
def call(who):
    stream = client.stream(function, {"who": who})
    return asyncio.run(read(stream)) if kind is AsyncStreamClient else stream.read()
async def read(stream):
    return await stream.read()
assert call("parent") == b"parent"
child = os.fork()
who = "parent" if child else "child"
for _ in range(3):
    assert call(who) == who.encode()
if child == 0:
    sys.exit(0)
end_of(child)
assert call("parent") == b"parent"
if kind is StreamClient:
    client.close()
"""
)
FORKS_IN_THE_LOOP = (
    BEGINNING
    + """
async def main(who):
    assert await client.stream(function, {"who": who}).read() == who.encode()
    if who == "parent":
        child = os.fork()
        if child == 0:
            asyncio.run(main("child"))
            os._exit(0)
        assert await client.stream(function, {"who": who}).read() == who.encode()
        end_of(child)
        await client.close()
asyncio.run(main("parent"))
"""
)


@every_way
@pytest.mark.parametrize(
    "does", ["stream.close()", "stream.cancel()", "del chunks, stream", "client.close()"]
)
def test_whatever_a_child_does_its_parents_stream_goes_on(way: str, does: str, tmp_path: Path) -> None:
    if way.startswith("async"):
        does = does.replace("client.close()", "asyncio.run(client.close())")
    run_beside_a_child((ASYNCIO if way.startswith("async") else BLOCKING) % does, way, tmp_path)


@pytest.mark.parametrize("way", ["name", "url"])
def test_a_child_that_reads_its_parents_stream_is_told_so(way: str, tmp_path: Path) -> None:
    run_beside_a_child(BLOCKING % READS, way, tmp_path)


def run_beside_a_child(script: str, way: str, folder: Path) -> None:
    """Run a script against a server that ends its response only when the child is gone."""
    gone = folder / "child-is-gone"

    def behave(peer: Peer) -> None:
        by_name = way.endswith("name")
        peer.head({} if by_name else PLAIN)
        peer.chunk(payload_frame(b"first") if by_name else b"first")
        peer.sock.settimeout(0.05)
        while not gone.exists():
            try:
                assert peer.sock.recv(1)  # the end of the connection, if the child ended it
            except TimeoutError:
                continue
        peer.chunk(payload_frame(b"second") + complete_frame() if by_name else b"second")
        peer.end()

    with WireServer(behave) as server:
        run_script(script, server.url, way, str(gone))


@pytest.mark.parametrize(
    ("way", "script"),
    [
        *((way, BOTH_CALL) for way in WAYS),
        ("async name", FORKS_IN_THE_LOOP),
        ("async url", FORKS_IN_THE_LOOP),
    ],
)
def test_parent_and_child_share_no_connection(way: str, script: str, tmp_path: Path) -> None:
    def echoes(peer: Peer) -> None:
        answer(way, b"child" if b"child" in peer.request.body else b"parent")(peer)

    with WireServer(echoes) as server:
        run_script(script, server.url, way, str(tmp_path / "child-is-gone"))
    used_by_child = {request.connection for request in server.requests if b"child" in request.body}
    used_by_parent = {request.connection for request in server.requests if b"parent" in request.body}
    assert used_by_child
    assert used_by_parent
    assert not used_by_child & used_by_parent


def run_script(script: str, *arguments: str) -> None:
    command = [sys.executable, *WARNINGS_ARE_ERRORS, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
