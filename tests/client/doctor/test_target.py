"""Names, ARNs and URLs, and what is not one of them."""

import pytest

from streamify_client import ConfigurationError
from streamify_client.doctor._facts import Target
from streamify_client.doctor._target import parse_target

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:report"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("report", Target("report", "function", function="report")),
        (f"{ARN}:live", Target(f"{ARN}:live", "function", function=f"{ARN}:live", region="eu-west-1")),
        (
            "https://abc123.lambda-url.eu-west-1.on.aws/a%20b?c=d",
            Target(
                "https://abc123.lambda-url.eu-west-1.on.aws/a%20b?c=d",
                "function-url",
                region="eu-west-1",
                path="/a b",
            ),
        ),
        (
            "https://a1b2.execute-api.us-east-1.amazonaws.com/prod/items/7",
            Target(
                "https://a1b2.execute-api.us-east-1.amazonaws.com/prod/items/7",
                "api-gateway",
                region="us-east-1",
                api_id="a1b2",
                path="/items/7",
            ),
        ),
        ("http://127.0.0.1:9000", Target("http://127.0.0.1:9000", "url")),
    ],
)
def test_what_a_target_is(text: str, expected: Target) -> None:
    assert parse_target(text, None) == expected


def test_the_function_behind_a_url_brings_its_region() -> None:
    target = parse_target("https://example.com/", ARN)
    assert (target.function, target.region) == (ARN, "eu-west-1")


@pytest.mark.parametrize("text", ["", "two words", "a/b", "https://", "http://[::1"])
def test_what_is_neither_a_function_nor_a_url_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"not a URL|neither"):
        parse_target(text, None)


def test_two_functions_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="goes with a URL"):
        parse_target("report", "other")
