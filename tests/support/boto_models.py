"""What the boto3 under test knows of AWS's APIs: the oldest that is allowed has no tenants, for instance."""

from typing import Any

import botocore.session
import pytest


def _knows(service: str, shape: str, member: str) -> bool:
    model: Any = botocore.session.get_session().get_service_model(service)
    return member in model.shape_for(shape).members


_TENANTS = _knows("lambda", "InvokeWithResponseStreamRequest", "TenantId")
_TRANSFER_MODE = _knows("apigateway", "Integration", "responseTransferMode")

tenant: dict[str, Any] = {"tenant_id": "tenant-7"} if _TENANTS else {}
# For an interpreter that makes boto3 clients: older botocores warn from Python 3.12 on.
WARNINGS_ARE_ERRORS = ["-W", "error", "-W", "ignore:datetime.datetime.utc:DeprecationWarning"]
needs_tenants = pytest.mark.skipif(not _TENANTS, reason="this boto3 does not know tenants")
needs_transfer_mode = pytest.mark.skipif(not _TRANSFER_MODE, reason="this boto3 does not know transfer modes")
