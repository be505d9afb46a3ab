"""Files, file objects and URLs: a body is under its final name whole, or not there."""

import bz2
import errno
import gzip
import io
import lzma
import os
import stat
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from s3fs import S3FileSystem

from streamify_client import ConfigurationError, DecodeError, FunctionError, TruncatedStreamError
from streamify_client.files.sinks import Target, opened_sink
from support.s3_server import S3Server
from support.wire_server import Peer, WireServer, complete_frame, truncated, whole

from .conftest import MakeClient

BODY = "één\r\ntwee\0".encode()


FAULTS = {
    "cut": (truncated(BODY), TruncatedStreamError),
    "cut at once": (truncated(), TruncatedStreamError),
    "failed": (whole(BODY, complete=b'{"ErrorCode": "Function.Late"}'), FunctionError),
}


def test_a_signal_that_comes_as_a_file_is_created_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, mode: str) -> None:
        path.touch(exist_ok=False)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "open", interrupted)
    with pytest.raises(KeyboardInterrupt), opened_sink(tmp_path / "file"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    MemoryFileSystem.store.clear()
    yield MemoryFileSystem()
    MemoryFileSystem.store.clear()


def test_a_file_gets_the_bytes_and_nothing_else_is_left(make_own_client: MakeClient, tmp_path: Path) -> None:
    with WireServer(whole(BODY[:3], BODY[3:])) as server:
        client = make_own_client(server.url)
        for target in (tmp_path / "path", str(tmp_path / "string")):
            result = client.stream_to_file("fn", {"a": 1}, target)
            assert Path(target).read_bytes() == BODY
            assert result.bytes_received == len(BODY)
    assert sorted(os.listdir(tmp_path)) == ["path", "string"]
    assert server.requests[0].body == b'{"a":1}'


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("before", [b"as it was", None])
def test_on_any_error_a_file_stays_as_it_was(
    fault: str, before: bytes | None, make_own_client: MakeClient, tmp_path: Path
) -> None:
    behaviour, kind = FAULTS[fault]
    target = tmp_path / "file"
    if before is not None:
        target.write_bytes(before)
    with WireServer(behaviour) as server, pytest.raises(kind):
        make_own_client(server.url).stream_to_file("fn", None, target)
    assert os.listdir(tmp_path) == (["file"] if before is not None else [])
    assert before is None or target.read_bytes() == before


def test_the_name_stays_free_until_the_last_byte(make_own_client: MakeClient, tmp_path: Path) -> None:
    target, seen = tmp_path / "file", threading.Event()

    def behave(peer: Peer) -> None:
        peer.head()
        peer.payload(BODY)
        assert seen.wait(20)
        peer.chunk(complete_frame())
        peer.end()

    def look(so_far: int, total: int | None) -> None:
        assert (so_far, total, target.exists()) == (len(BODY), None, False)
        seen.set()

    with WireServer(behave) as server:
        make_own_client(server.url).stream_to_file("fn", None, target, progress=look)
    assert target.read_bytes() == BODY


def test_an_error_of_the_callback_ends_it_and_leaves_nothing(
    make_own_client: MakeClient, tmp_path: Path
) -> None:
    def stop(so_far: int, total: int | None) -> None:
        raise ZeroDivisionError

    with WireServer(whole(BODY)) as server, pytest.raises(ZeroDivisionError):
        make_own_client(server.url).stream_to_file("fn", None, tmp_path / "file", progress=stop)
    assert os.listdir(tmp_path) == []


def test_the_callback_learns_the_total_where_the_function_tells_it(
    make_own_client: MakeClient, tmp_path: Path
) -> None:
    prelude = b'{"statusCode": 200, "headers": {"content-length": "6"}}' + bytes(8)
    head = {"x-amzn-remapped-content-type": "application/vnd.awslambda.http-integration-response"}
    seen: list[tuple[int, int | None]] = []
    with WireServer(whole(prelude, b"abc", b"def", headers=head)) as server:
        client = make_own_client(server.url)
        client.stream_to_file("fn", None, tmp_path / "x", progress=lambda *at: seen.append(at))
    assert seen[-1] == (6, 6)


def test_the_name_that_a_server_suggests_is_never_looked_at(
    make_own_client: MakeClient, tmp_path: Path
) -> None:
    prelude = b'{"headers": {"content-disposition": "attachment; filename=../../evil"}}' + bytes(8)
    head = {"x-amzn-remapped-content-type": "application/vnd.awslambda.http-integration-response"}
    (tmp_path / "in").mkdir()
    with WireServer(whole(prelude, b"x", headers=head)) as server:
        client = make_own_client(server.url)
        with pytest.raises(IsADirectoryError):
            client.stream_to_file("fn", None, tmp_path / "in")
        client.stream_to_file("fn", None, tmp_path / "in" / "mine")
        assert len(server.requests) == 1
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["in", "in/mine"]


def test_a_file_that_exists_is_refused_before_the_function_is_invoked(
    make_own_client: MakeClient, tmp_path: Path, memory: MemoryFileSystem
) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"mine")
    memory.pipe("/there", b"mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    with WireServer(whole(BODY)) as server:
        client = make_own_client(server.url)
        for name in (target, tmp_path / "dangling", "memory://there", f"file://{target}"):
            with pytest.raises(FileExistsError, match="overwrite=False"):
                client.stream_to_file("fn", None, name, overwrite=False)
        assert server.requests == []
        client.stream_to_file("fn", None, tmp_path / "new", overwrite=False)
    assert (target.read_bytes(), (tmp_path / "new").read_bytes(), memory.cat("/there")) == (
        b"mine",
        BODY,
        b"mine",
    )


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_to_exist_meanwhile_is_not_overwritten(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:  # as on file systems without hard links
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    target = tmp_path / "file"
    with pytest.raises(FileExistsError):
        race(target, lambda: target.write_bytes(b"mine"))
    assert target.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["file"]
    target.unlink()
    with opened_sink(target, overwrite=False) as sink:
        sink.write(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["file"]


def race(
    target: Target,
    meanwhile: Callable[[], object],
    *,
    overwrite: bool = False,
    chunks: Iterable[bytes] = (b"theirs",),
) -> None:
    """Write to a sink, and let something happen before its end."""
    with opened_sink(target, overwrite=overwrite) as sink:
        for chunk in chunks:
            sink.write(chunk)
        meanwhile()


def no_links(self: Path, target: Path) -> None:
    if self.exists():
        raise FileExistsError(str(self))
    raise PermissionError(f"no hard links here: {target}")


@pytest.mark.parametrize("target", ["missing/file", "", ".", "nul\0l"])
def test_a_target_that_cannot_be_written_costs_no_invocation(
    target: str, make_own_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with WireServer(whole(BODY)) as server:
        with pytest.raises((OSError, ValueError)):
            make_own_client(server.url).stream_to_file("fn", None, target)
        assert server.requests == []
    assert os.listdir(tmp_path) == []


def test_a_missing_directory_is_named(make_own_client: MakeClient, tmp_path: Path) -> None:
    with WireServer(whole(BODY)) as server:
        with pytest.raises(FileNotFoundError, match=r"There is no directory .*missing; make it first"):
            make_own_client(server.url).stream_to_file("fn", None, tmp_path / "missing" / "file")
        assert server.requests == []


def test_a_wrong_argument_leaves_no_file(make_own_client: MakeClient, tmp_path: Path) -> None:
    with WireServer(whole(BODY)) as server:
        client = make_own_client(server.url)
        with pytest.raises(ConfigurationError):
            client.stream_to_file("fn", b"{not json", tmp_path / "file")
        with pytest.raises(ConfigurationError, match="compression 'lz4'"):
            client.stream_to_file("fn", None, tmp_path / "file", compression="lz4")  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


def test_a_replaced_file_keeps_its_mode_and_a_new_one_has_the_usual_one(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.touch()
    old.chmod(0o640)
    umask = os.umask(0o027)
    try:
        for path in (old, new):
            with opened_sink(path) as sink:
                sink.write(b"x")
    finally:
        os.umask(umask)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (old, new)] == [0o640, 0o640]
    old.chmod(0o604)
    with opened_sink(old) as sink:
        sink.write(b"y")
    assert (stat.S_IMODE(old.stat().st_mode), old.read_bytes()) == (0o604, b"y")


def test_what_a_link_points_to_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/file")
    for data in (b"first", b"second"):
        with opened_sink(tmp_path / "link") as sink:
            sink.write(data)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real" / "file").read_bytes() == data


def test_a_named_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with opened_sink(pipe) as sink:
        sink.write(b"through")
    reader.join(20)
    assert (got, stat.S_ISFIFO(pipe.stat().st_mode)) == ([b"through"], True)


def test_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    with opened_sink(tmp_path / ("x" * 255)) as sink:
        sink.write(b"x")
    assert os.listdir(tmp_path) == ["x" * 255]


def test_file_objects_get_bytes_or_text_and_stay_open(make_own_client: MakeClient, tmp_path: Path) -> None:
    binary, text = io.BytesIO(), io.StringIO(newline="")
    with (
        WireServer(whole(BODY[:1], BODY[1:2], BODY[2:])) as server,
        (tmp_path / "binary").open("wb", buffering=0) as raw,
        (tmp_path / "text").open("w", encoding="utf-16", newline="") as wrapped,
    ):
        client = make_own_client(server.url)
        for target in (binary, text, raw, wrapped):
            assert client.stream_to_file("fn", None, target).bytes_received == len(BODY)
            assert not target.closed
        assert (binary.getvalue(), text.getvalue()) == (BODY, BODY.decode())
        assert (tmp_path / "binary").read_bytes() == BODY
        assert (tmp_path / "text").read_bytes() == BODY.decode().encode("utf-16")


def test_a_file_that_takes_a_part_only_gets_all() -> None:
    class Slow(io.RawIOBase):
        def __init__(self) -> None:
            self.got = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.got += bytes(data[:2])
            return min(2, len(data))

    slow = Slow()
    with opened_sink(slow) as sink:
        sink.write(b"abcdefg")
    assert slow.got == b"abcdefg"


def test_text_that_cannot_be_decoded_is_a_decode_error_after_what_could(make_own_client: MakeClient) -> None:
    text = io.StringIO()
    with WireServer(whole(b"good \xff")) as server:
        client = make_own_client(server.url)
        with pytest.raises(DecodeError) as caught:
            client.stream_to_file("fn", None, text)
        assert (caught.value.offset, caught.value.function, text.getvalue()) == (5, "fn", "good ")
        client.stream_to_file("fn", None, text, encoding="latin-1")
        assert text.getvalue() == "good good ÿ"


@pytest.mark.parametrize("target", [object(), 7, None, b"path"])
def test_what_is_no_target_is_refused(target: Any, make_own_client: MakeClient) -> None:
    with WireServer(whole(BODY)) as server:
        with pytest.raises(ConfigurationError, match="a path, a URL or a file object"):
            make_own_client(server.url).stream_to_file("fn", None, target)
        assert server.requests == []


def test_a_closed_file_is_refused(make_own_client: MakeClient) -> None:
    file = io.BytesIO()
    file.close()
    with WireServer(whole(BODY)) as server:
        with pytest.raises(ConfigurationError, match="cannot be written to"):
            make_own_client(server.url).stream_to_file("fn", None, file)
        with pytest.raises(ConfigurationError, match="wrap the file object"):
            make_own_client(server.url).stream_to_file("fn", None, io.BytesIO(), compression="gzip")
        assert server.requests == []


OPENERS: dict[str, Any] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


@pytest.mark.parametrize("suffix", OPENERS)
@pytest.mark.parametrize("chunks", [[], [b"x"], [b"B"], [BODY], [BODY[i : i + 1] for i in range(len(BODY))]])
def test_a_suffix_asks_for_compression(suffix: str, chunks: list[bytes], tmp_path: Path) -> None:
    target = tmp_path / f"rows.csv{suffix}"
    with opened_sink(target) as sink:
        for chunk in chunks:
            sink.write(chunk)
    assert OPENERS[suffix](target.read_bytes()) == b"".join(chunks)


@pytest.mark.parametrize("suffix", OPENERS)
def test_a_body_that_is_compressed_already_is_written_as_it_comes(suffix: str, tmp_path: Path) -> None:
    with opened_sink(tmp_path / f"first{suffix}") as sink:
        sink.write(BODY)
    packed = (tmp_path / f"first{suffix}").read_bytes()
    for size in (1, 5, 1000):
        with opened_sink(tmp_path / f"second{suffix}") as sink:
            for start in range(0, len(packed), size):
                sink.write(packed[start : start + size])
        assert (tmp_path / f"second{suffix}").read_bytes() == packed


def test_compression_can_be_chosen_or_refused(tmp_path: Path) -> None:
    for name, compression, expected in (("a.gz", None, BODY), ("b", "bz2", None), ("C.GZ", "infer", None)):
        with opened_sink(tmp_path / name, compression=compression) as sink:  # type: ignore[arg-type]
            sink.write(BODY)
        data = (tmp_path / name).read_bytes()
        assert expected in (data, None)
    assert bz2.decompress((tmp_path / "b").read_bytes()) == BODY
    assert gzip.decompress((tmp_path / "C.GZ").read_bytes()) == BODY


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ConfigurationError, match=r"streamify\[compress\]"), opened_sink(tmp_path / "x.zst"):
        pass
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ConfigurationError, match=r"streamify\[fsspec\]"), opened_sink("memory://x"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_url_gets_the_bytes(make_own_client: MakeClient, memory: MemoryFileSystem, tmp_path: Path) -> None:
    with WireServer(whole(BODY[:3], BODY[3:])) as server:
        client = make_own_client(server.url)
        for _ in range(2):
            client.stream_to_file("fn", None, "memory://dir/rows")
            client.stream_to_file("fn", None, "memory://dir/rows.gz")
        client.stream_to_file("fn", None, f"file://{tmp_path}/rows")
    assert sorted(memory.store) == ["/dir/rows", "/dir/rows.gz"]
    assert (memory.cat("/dir/rows"), gzip.decompress(memory.cat("/dir/rows.gz"))) == (BODY, BODY)
    assert (tmp_path / "rows").read_bytes() == BODY


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_url_leaves_no_object(
    fault: str, make_own_client: MakeClient, memory: MemoryFileSystem, tmp_path: Path
) -> None:
    behaviour, kind = FAULTS[fault]
    memory.pipe("/old", b"as it was")
    with WireServer(behaviour) as server:
        client = make_own_client(server.url)
        for url in ("memory://new", "memory://old", "memory://new.gz", f"file://{tmp_path}/new"):
            with pytest.raises(kind):
                client.stream_to_file("fn", None, url)
    assert {name: bytes(memory.cat(name)) for name in memory.store} == {"/old": b"as it was"}
    assert os.listdir(tmp_path) == []


def test_a_url_that_comes_to_exist_meanwhile_is_not_overwritten(memory: MemoryFileSystem) -> None:
    with pytest.raises(FileExistsError):
        race("memory://name", lambda: memory.pipe("/name", b"mine"))
    assert {name: bytes(memory.cat(name)) for name in memory.store} == {"/name": b"mine"}


@pytest.mark.parametrize("url", ["nosuchkind://x", "https://example.com/x"])
def test_a_url_of_no_use_is_refused(url: str) -> None:
    with pytest.raises((ConfigurationError, NotImplementedError)), opened_sink(url):
        pass


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    S3FileSystem.clear_instance_cache()
    with S3Server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield server
    S3FileSystem.clear_instance_cache()


LARGE = [bytes([number]) * 1024 * 1024 for number in range(20)]


@pytest.mark.parametrize("chunks", [[], [b"small"], LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_an_s3_object_is_there_when_the_body_is_whole(
    chunks: list[bytes], overwrite: bool, s3: S3Server
) -> None:
    with opened_sink("s3://bucket/dir/key", overwrite=overwrite) as sink:
        for chunk in chunks:
            sink.write(chunk)
            assert s3.objects == {}
    assert s3.objects == {"bucket/dir/key": b"".join(chunks)}
    assert s3.uploads == {}


@pytest.mark.parametrize("chunks", [[], [b"small"], LARGE], ids=["empty", "small", "large"])
def test_a_failed_s3_upload_is_aborted(chunks: list[bytes], s3: S3Server) -> None:
    s3.objects["bucket/key"] = b"as it was"
    for url in ("s3://bucket/key", "s3://bucket/new"):
        with pytest.raises(ZeroDivisionError):
            race(url, lambda: 1 // 0, overwrite=True, chunks=chunks)
    assert (s3.objects, s3.uploads) == ({"bucket/key": b"as it was"}, {})


@pytest.mark.parametrize("chunks", [[b"small"], LARGE], ids=["small", "large"])
def test_an_s3_object_that_comes_to_exist_meanwhile_is_not_overwritten(
    chunks: list[bytes], s3: S3Server
) -> None:
    with pytest.raises(FileExistsError):
        race("s3://bucket/key", lambda: s3.objects.update({"bucket/key": b"mine"}), chunks=chunks)
    assert (s3.objects, s3.uploads) == ({"bucket/key": b"mine"}, {})
    with (
        pytest.raises(FileExistsError, match="overwrite=False"),
        opened_sink("s3://bucket/key", overwrite=False),
    ):
        pass


def test_a_bar_is_drawn_in_a_notebook(
    make_own_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its standard error is no terminal; what it shows has a form as HTML."""
    shown: list[str] = []

    class Shown:
        def update(self, bar: Any) -> None:
            shown.append(bar._repr_mimebundle_([], [])["text/html"])

    def display(bar: Any, *, display_id: bool) -> Shown:
        assert display_id
        Shown().update(bar)
        return Shown()

    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
    with WireServer(whole(b"x" * 2000)) as server:
        client = make_own_client(server.url)
        client.stream_to_file("fn", None, tmp_path / "rows.csv", progress=True)
    assert "0 bytes" in shown[0]
    assert "rows.csv" in shown[-1]
    assert "2.0 kB" in shown[-1]


def test_a_bar_is_drawn_on_a_terminal_only(
    make_own_client: MakeClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with WireServer(whole(b"x" * 2000)) as server:
        client = make_own_client(server.url)
        client.stream_to_file("fn", None, tmp_path / "[red]rows.csv", progress=True)
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == ("", "")
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        client.stream_to_file("fn", None, tmp_path / "[red]rows.csv", progress=True)
        assert "[red]rows.csv" in terminal.getvalue()
        assert "2.0 kB" in terminal.getvalue()
        assert capsys.readouterr().out == ""
        monkeypatch.setitem(sys.modules, "rich.progress", None)
        with pytest.raises(ConfigurationError, match=r"streamify\[progress\]"):
            client.stream_to_file("fn", None, tmp_path / "new", progress=True)
    assert os.listdir(tmp_path) == ["[red]rows.csv"]


def test_a_part_elsewhere_is_removed_though_it_cannot_be_closed(
    make_own_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(MemoryFile, "close", full)
    with WireServer(truncated(BODY)) as server, pytest.raises(TruncatedStreamError):
        make_own_client(server.url).stream_to_file("fn", None, "memory://full/report.csv")
    assert not [name for name in MemoryFileSystem.store if name.startswith("/full/")]
