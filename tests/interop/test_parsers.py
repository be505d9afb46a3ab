"""negotiator, json-mask and busboy from npm beside our parsers, on the same inputs."""

import base64
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamify_server import HttpError
from streamify_server.middlewares import FilePart, _negotiate, http_multipart_body_parser
from streamify_server.middlewares.partial_response import apply, parse
from support.answers import through

pytestmark = pytest.mark.interop

PEERS = Path(__file__).parent / "peers"


def peers(cases: list[dict[str, Any]]) -> list[Any]:
    """What the parsers from npm make of these cases."""
    done = subprocess.run(
        ["node", "parsers.mjs"],
        cwd=PEERS,
        input="\n".join(map(json.dumps, cases)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


Negotiate = Callable[["str | None", "list[str] | None"], list[str]]
ASPECTS: dict[str, tuple[str, Negotiate, list[str], list[str]]] = {
    "mediaTypes": (
        "accept",
        _negotiate.media_types,
        [
            "text/html",
            "Text/Plain",
            "text/*",
            "*/*",
            "application/json;v=1",
            "application/json; charset=utf-8",
        ],
        ["text/html", "application/json", "text/plain", "application/json;v=1"],
    ),
    "encodings": (
        "accept-encoding",
        _negotiate.encodings,
        ["gzip", "BR", "deflate", "identity", "*", "zstd"],
        ["gzip", "br", "identity", "deflate"],
    ),
    "languages": (
        "accept-language",
        _negotiate.languages,
        ["en", "en-US", "en-GB", "fr", "fr-CH", "de", "*", "EN"],
        ["en", "fr", "en-US", "de-CH"],
    ),
    "charsets": (
        "accept-charset",
        _negotiate.charsets,
        ["utf-8", "iso-8859-1", "*", "utf-16", "UTF-8"],
        ["utf-8", "iso-8859-1"],
    ),
}


@pytest.mark.parametrize("kind", ASPECTS)
def test_what_a_caller_accepts_is_what_negotiator_makes_of_it(kind: str) -> None:
    header, ours, ranges, offers = ASPECTS[kind]
    dice = random.Random(kind)
    cases: list[dict[str, Any]] = [
        {"peer": "negotiate", "kind": kind, "header": header, "field": field, "available": available}
        for field in (None, "", "*")
        for available in (None, [], offers)
    ]
    for _ in range(1500):
        field = dice.choice([", ", ","]).join(
            dice.choice(ranges) + dice.choice(["", "", ";q=0.5", ";q=0.8", ";q=0", ";q=1", ";q=0.1"])
            for _ in range(dice.randint(1, 4))
        )
        available = dice.choice([None, dice.sample(offers, dice.randint(1, len(offers)))])
        cases.append({**cases[0], "field": field, "available": available})
    for case, theirs in zip(cases, peers(cases), strict=True):
        assert ours(case["field"], case["available"]) == theirs, case


BOOK = {
    "id": 7,
    "kind": "book",
    "author": {"name": "Ada", "born": 1815, "home": {"city": "London", "zip": "W1"}},
    "notes": [{"id": 1, "by": {"name": "L", "id": 2}}, {"id": 2, "by": {"name": "M"}}],
}
MASKS = [
    "id",
    "id,kind",
    "author",
    "author/name",
    "author(name,born)",
    "author/home/city",
    "author(name,home/zip)",
    "author/*",
    "author/*/city",
    "*",
    "*/name",
    "*/id",
    "notes/id",
    "notes(id,by/name)",
    "notes/by(id)",
    "notes/*/name",
    "*/by/name",
    "missing",
    "missing/deeper",
    "author/missing",
    "id,missing",
    "notes(by(name,id))",
]


def without_empty(value: Any) -> Any:
    """What is left of a value; json-mask says null, or leaves a member out, where nothing is picked."""
    if isinstance(value, dict):
        kept = {key: without_empty(member) for key, member in value.items()}
        return {key: member for key, member in kept.items() if member is not None} or None
    if isinstance(value, list):
        return [item for item in map(without_empty, value) if item is not None] or None
    return value


@pytest.mark.parametrize(
    "value", [BOOK, [BOOK, BOOK], {"author": BOOK}, {}], ids=["one", "list", "deep", "{}"]
)
def test_a_mask_picks_what_json_mask_picks(value: Any) -> None:
    cases = [{"peer": "mask", "value": value, "fields": fields} for fields in MASKS]
    for fields, theirs in zip(MASKS, peers(cases), strict=True):
        assert without_empty(apply(parse(fields), value)) == without_empty(theirs), fields


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers, "", ""]
    return b"--cut\r\n" + "\r\n".join(lines).encode() + content + b"\r\n"


END = b"--cut--\r\n"
FORMS: dict[str, bytes] = {
    "fields": part('name="a"', b"1") + part('name="b"', "grün 😀".encode()) + END,
    "a token as name": part("name=a", b"1") + END,
    "empty": part('name="a"', b"") + END,
    "repeated": part('name="a"', b"1") + part('name="a"', b"2") + part('name="a"', b"3") + END,
    "a charset": part('name="a"', b"\xe9", "Content-Type: text/plain; charset=iso-8859-1") + END,
    "a file": part('name="f"; filename="a.bin"', b"\0\xff\r\n--cu", "Content-Type: application/x-a") + END,
    "an empty file": part('name="f"; filename="a.bat"', b"", "Content-Type: application/octet-stream") + END,
    "no file chosen": part('name="f"; filename=""', b"", "Content-Type: application/octet-stream") + END,
    "a file without type": part('name="f"; filename="a"', b"x") + END,
    "a transfer encoding": part('name="f"; filename="a"', b"x", "Content-Transfer-Encoding: binary") + END,
    "an extended name": part("name=\"f\"; filename*=utf-8''%e2%82%ac%20rates.txt", b"x") + END,
    "both names": part('name="f"; filename="x"; filename*=utf-8\'\'%C3%BC.txt', b"x") + END,
    "a latin extended name": part("name=\"f\"; filename*=iso-8859-1'en'%A3.txt", b"x") + END,
    "a name in UTF-8": part('name="f"; filename="ä.txt"', b"x") + END,
    "quotes": part(r'name="a\"b"; filename="c\\d\".txt"', b"x") + END,
    "a path": part('name="f"; filename="../../etc/passwd"', b"x") + END,
    "a path of Windows": part(r'name="f"; filename="C:\files\a.txt"', b"x") + END,
    "bytes without filename": part('name="f"', b"\xff", "Content-Type: application/octet-stream") + END,
    "a preamble": b"ignore\r\nthis\r\n" + part('name="a"', b"1") + END,
    "an epilogue": part('name="a"', b"1") + END + b"and this",
    "line feeds within": part('name="a"', b"\n1\r\n2\n\n") + END,
    "dashes": part('name="a"', b"--cu\r\n--cu-t") + END,
    "header names in any case": b'--cut\r\nCONTENT-DISPOSITION: form-data; NAME="a"\r\n\r\n1\r\n' + END,
    "strange names": part('name="__proto__"', b"1") + part('name="constructor"', b"2") + END,
    "percent signs": part('name="a%22b"; filename="c%0D.txt"', b"x") + END,
    "truncated": part('name="a"', b"1"),
    "cut within": part('name="a"', b"1")[:-6],
    "no parts": b"nothing",
}


def ours(body: bytes) -> Any:
    """Our fields in the shape of the peer's parts, names apart."""
    event = {
        "headers": {"content-type": "multipart/form-data; boundary=cut"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    try:
        fields = through(http_multipart_body_parser(), event)["body"]
    except HttpError as refused:
        return refused.status_code
    several = {name: value if isinstance(value, list) else [value] for name, value in fields.items()}
    return {name: [shown(value) for value in values] for name, values in several.items()}


def shown(value: str | FilePart) -> Any:
    if isinstance(value, str):
        return value
    return {
        "filename": value.filename,
        "encoding": value.encoding,
        "mimeType": value.mimetype,
        "content": base64.b64encode(value.content).decode(),
    }


def test_a_form_is_what_busboy_makes_of_it() -> None:
    content_type = "multipart/form-data; boundary=cut"
    cases = [
        {"peer": "form", "contentType": content_type, "body": base64.b64encode(body).decode()}
        for body in FORMS.values()
    ]
    for name, theirs in zip(FORMS, peers(cases), strict=True):
        if "error" in theirs:
            assert ours(FORMS[name]) == 422, name
            continue
        expected: dict[str, list[Any]] = {}
        for field, value in theirs["parts"]:
            expected.setdefault(field, []).append(value)
        assert ours(FORMS[name]) == expected, name
