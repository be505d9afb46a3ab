"""A client for the Runtime API with the interface of awslambdaric's native extension, `runtime_client`."""

from __future__ import annotations

from .api import RuntimeApi

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from typing import Any

# The native extension's names for the fields; an absent or empty field is None.
_FIELDS = (
    "Lambda-Runtime-Aws-Request-Id",
    "Lambda-Runtime-Trace-Id",
    "Lambda-Runtime-Invoked-Function-Arn",
    "Lambda-Runtime-Deadline-Ms",
    "Lambda-Runtime-Client-Context",
    "Lambda-Runtime-Cognito-Identity",
    "Lambda-Runtime-Aws-Tenant-Id",
    "Lambda-Runtime-Invocation-Id",
    "Content-Type",
)


class Client:
    """Whole requests on plain sockets, which let signal handlers run while they wait."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._api = RuntimeApi(address, "", keep_alive=True)

    def initialize_client(self, user_agent: str) -> None:
        """Set the User-Agent; called once by awslambdaric, when it is imported."""
        self._api = RuntimeApi(self._address, user_agent, keep_alive=True)

    def next(self) -> tuple[bytes, dict[str, Any]]:
        """Wait for the next invocation; return its event and header fields."""
        answer = self._api.next()
        fields: dict[str, Any] = {name: answer.headers.get(name.lower()) or None for name in _FIELDS}
        for name in ("Lambda-Runtime-Aws-Request-Id", "Lambda-Runtime-Invoked-Function-Arn"):
            fields[name] = fields[name] or ""
        fields["Lambda-Runtime-Deadline-Ms"] = int(fields["Lambda-Runtime-Deadline-Ms"] or 0)
        return answer.body, fields

    def post_invocation_result(
        self, invoke_id: str, result: bytes, content_type: str, invocation_id: str | None = None
    ) -> None:
        """Post what a handler returned."""
        self._post(f"{invoke_id}/response", {"content-type": content_type}, result, invocation_id)

    def post_error(
        self, invoke_id: str, error: str, xray_fault: str, invocation_id: str | None = None
    ) -> None:
        """Post what a handler raised."""
        headers = {"content-type": "application/json"}
        if xray_fault:
            headers["lambda-runtime-function-xray-error-cause"] = xray_fault
        self._post(f"{invoke_id}/error", headers, error.encode(), invocation_id)

    def _post(self, path: str, headers: dict[str, str], body: bytes, invocation_id: str | None) -> None:
        if invocation_id:
            headers["lambda-runtime-invocation-id"] = invocation_id
        self._api.send(path, headers, body)
