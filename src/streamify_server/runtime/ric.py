"""The one file that names awslambdaric: what is relied on, and a runtime that is built on it.

AWS's runtime client does the event loop, the context object, log formats, errors, SnapStart and Managed
Instances. It calls the Runtime API through a global, `lambda_runtime_client.runtime_client`, which is a
native extension. A `StreamingClient` in that place lets handlers stream and leaves everything else as it is,
what others have patched included.
"""

from __future__ import annotations

import os
import sys

from .api import RuntimeApi
from .poster import ResponsePoster
from .streaming import StreamingClient

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from typing import Any

CLIENT_MODULE = "awslambdaric.lambda_runtime_client"
_SEAM = {
    "wait_next_invocation": "next",
    "post_invocation_result": "post_invocation_result",
    "post_invocation_error": "post_error",
}
_FIRST_UNKNOWN = 5  # major version


class UnfitClientError(Exception):
    """awslambdaric is missing, or not as it is needed here."""


def imported() -> Any:
    """The module with awslambdaric's `runtime_client`, if something has imported it in this process."""
    return sys.modules.get(CLIENT_MODULE)


def check(module: Any) -> None:
    """Check that streams can go through the `runtime_client` of this module.

    Raises:
        UnfitClientError: They cannot; the message is a sentence without its subject.
    """
    version = str(getattr(sys.modules.get("awslambdaric"), "__version__", "?"))
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) >= _FIRST_UNKNOWN:
        raise UnfitClientError(f"awslambdaric {version} is newer than this version of streamify_server knows")
    client = getattr(module, "runtime_client", None)
    for method, call in _SEAM.items():
        if not callable(getattr(client, call, None)):
            raise UnfitClientError(f"awslambdaric {version} has no runtime_client.{call}")
        function = getattr(getattr(module, "LambdaRuntimeClient", None), method, None)
        if function is None or not _calls(function, call, module):
            raise UnfitClientError(f"{method} of awslambdaric {version} calls no runtime_client.{call}")


def _calls(function: Any, call: str, module: Any) -> bool:
    """Whether a method calls the client; what has been patched over it cannot be looked into."""
    if getattr(function, "__globals__", None) is not vars(module):
        return True
    return {"runtime_client", call} <= set(function.__code__.co_names)


def install(module: Any) -> None:
    """Put a streaming client around the `runtime_client` of this module, once.

    Raises:
        UnfitClientError: Streams cannot go through it.
    """
    if isinstance(getattr(module, "runtime_client", None), StreamingClient):
        return
    check(module)
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"], str(module._user_agent()))

    def poster(request_id: str, invocation_id: str | None, payload: bytes) -> ResponsePoster:
        return ResponsePoster(api, request_id, invocation_id, payload)

    module.runtime_client = StreamingClient(module.runtime_client, poster)


class Runtime:
    """awslambdaric with a streaming client, and all that it imports; `run` starts it.

    Raises:
        UnfitClientError: awslambdaric is missing, or does not fit.
    """

    def __init__(self) -> None:
        from .client import Client

        # In place of the native extension: behind a layer, that would be the managed runtime's.
        client: Any = Client(os.environ["AWS_LAMBDA_RUNTIME_API"])
        sys.modules["runtime_client"] = client
        try:
            from awslambdaric import __main__ as main
            from awslambdaric import lambda_config
        except ImportError as error:
            raise UnfitClientError(f"awslambdaric 4 cannot be imported ({error})") from error
        finally:
            del sys.modules["runtime_client"]
        self.main: Any = main
        self._module = imported()
        self._config = lambda_config.LambdaConfigProvider
        install(self._module)

    def run(self, handler: str) -> None:
        """Serve invocations of the handler until the platform ends the process."""
        config = self._config(["", handler])
        if not config.is_multi_concurrent:
            # Our client needs no thread for polling.
            self.main.bootstrap.run(handler, self._module.LambdaRuntimeClient(config.api_address))
            return
        self.main.main(["", handler])
