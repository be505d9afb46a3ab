"""What is taken out of logs."""

import json
from typing import Any

import pytest

from streamify_server.middlewares.input_output_log import WITHHELD, path_tree, redacted

EVENT = {
    "headers": {"Authorization": "s", "x": "1"},
    "items": [{"token": "s", "id": 1}, 3],
    "n": {"a": {"b": "s"}},
}


@pytest.mark.parametrize(
    ("paths", "mask", "left"),
    [
        ([], None, EVENT),
        (["headers.authorization"], None, {**EVENT, "headers": {"x": "1"}}),
        (["Headers.AUTHORIZATION"], None, {**EVENT, "headers": {"x": "1"}}),
        (["headers.authorization"], "*", {**EVENT, "headers": {"Authorization": "*", "x": "1"}}),
        (["items.[].token"], None, {**EVENT, "items": [{"id": 1}, 3]}),
        (["n.a.b", "n.a"], None, {**EVENT, "n": {}}),
        (["n.a", "n.a.b"], "*", {**EVENT, "n": {"a": "*"}}),
        (["n", "items", "headers"], None, {}),
        (["no.such.path"], "*", EVENT),
    ],
)
def test_paths_are_left_out_or_masked(paths: list[str], mask: str | None, left: Any) -> None:
    before = json.dumps(EVENT)
    assert redacted(EVENT, path_tree(paths), mask) == left
    assert json.dumps(EVENT) == before


def test_json_text_is_looked_into() -> None:
    event = {"body": '{"user": "a", "password": "s"}'}
    assert redacted(event, path_tree(["body.password"]), None) == {"body": '{"user": "a"}'}


@pytest.mark.parametrize("text", ["not json: password=s", '{"password": "s', '"s"', "[" * 100_000])
def test_text_that_cannot_be_looked_into_is_withheld(text: str) -> None:
    assert redacted({"body": text}, path_tree(["body.password"]), None) == {"body": WITHHELD}
    assert redacted({"body": text}, path_tree(["body.password"]), "*") == {"body": "*"}


def test_a_tuple_and_a_number_are_safe() -> None:
    assert redacted((1, {"a": 2}), path_tree(["[].a"]), None) == [1, {}]
