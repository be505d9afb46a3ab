"""Function names in every form."""

import pytest

from streamify_server.local.names import FunctionName, function_arn, parse_function_name

FORMS = {
    "fn": FunctionName("fn"),
    "fn:live": FunctionName("fn", "live"),
    "fn:$LATEST": FunctionName("fn", "$LATEST"),
    "function:fn": FunctionName("fn"),
    "123456789012:function:fn": FunctionName("fn", None, "123456789012"),
    "123456789012:function:fn:7": FunctionName("fn", "7", "123456789012"),
    "arn:aws:lambda:eu-central-1:123456789012:function:fn": FunctionName(
        "fn", None, "123456789012", "eu-central-1"
    ),
    "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f_n-1:live": FunctionName(
        "f_n-1", "live", "123456789012", "us-gov-west-1"
    ),
}


@pytest.mark.parametrize(("text", "parts"), FORMS.items(), ids=FORMS.keys())
def test_a_function_may_be_named_so(text: str, parts: FunctionName) -> None:
    assert parse_function_name(text) == parts


@pytest.mark.parametrize(
    "text", ["", "a b", "fn:a:b", "arn:aws:lambda:fn", "x" * 65, "fn:" + "q" * 300, "fn/../x"]
)
def test_other_text_names_no_function(text: str) -> None:
    assert parse_function_name(text) is None


def test_an_arn_reads_back() -> None:
    arn = function_arn("eu-west-3", "123456789012", "fn", "live")
    assert parse_function_name(arn) == FunctionName("fn", "live", "123456789012", "eu-west-3")
