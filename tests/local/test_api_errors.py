"""Errors of the Lambda API, held against botocore's model of it."""

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser

from streamify_server.local.api_errors import STATUS, ApiError, throttled
from support.boto_models import needs_tenants

NOT_IN_THE_MODEL = {"AccessDeniedException", "UnknownOperationException"}
# Of botocore 1.44, which aiobotocore does not allow yet.
NEWER = {"RuntimeAliasDeletedException", "RuntimeVersionDeletedException"}
MODEL: Any = botocore.session.get_session().get_service_model("lambda")


def modelled() -> Iterator[Any]:
    for operation in ("Invoke", "InvokeWithResponseStream", "GetFunction", "ListFunctions"):
        yield from MODEL.operation_model(operation).error_shapes


@pytest.mark.parametrize("shape", {shape.name: shape for shape in modelled()}.values(), ids=str)
def test_a_modelled_error_has_its_status_and_is_read_whole_by_botocore(shape: Any) -> None:
    error = ApiError(shape.name, "what went wrong")
    response = {"status_code": error.status, "headers": dict(error.headers), "body": error.body}
    parsed = create_parser("rest-json").parse(response, MODEL.operation_model("Invoke").output_shape)
    assert error.status == shape.metadata["error"]["httpStatusCode"]
    assert parsed["Error"] == {"Code": shape.name, "Message": "what went wrong"}
    assert set(json.loads(error.body)) <= set(shape.members)


@needs_tenants  # an older boto3 misses some of the errors too
def test_no_error_is_invented() -> None:
    known = {shape.name for shape in MODEL.error_shapes}
    assert set(STATUS) - known - NEWER == NOT_IN_THE_MODEL


@pytest.mark.parametrize("name", sorted(NEWER))
def test_a_runtime_that_was_deleted_is_a_conflict(name: str) -> None:
    error = ApiError(name, "what went wrong")
    assert error.status == 409
    assert json.loads(error.body) == {"Type": "User", "message": "what went wrong"}


@pytest.mark.parametrize("reserved", [True, False])
def test_a_throttle_says_why_and_when_to_come_back(reserved: bool) -> None:
    error = throttled(reserved=reserved)
    reasons = MODEL.shape_for("ThrottleReason").enum
    assert error.status == 429
    assert json.loads(error.body)["Reason"] in reasons
    assert ("retry-after", "1") in error.headers
