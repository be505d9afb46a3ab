"""The only module that depends on awslambdaric: the checks of what is relied on, and a runtime built on it.

AWS's runtime client handles the event loop, the context object, log formats, errors, SnapStart and Managed
Instances. It calls the Runtime API through a global, `lambda_runtime_client.runtime_client`, which is a
native extension. Replacing it with a `StreamingClient` lets handlers stream and changes nothing else. It
works in AWS's process and under our runtime, with awslambdaric 3.0 to 4.2. Subclasses of awslambdaric's
clients would need our own process, and patches on its classes (Sentry's flush) would not run.
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
    """awslambdaric is missing or incompatible."""


def imported() -> Any:
    """Return the module with awslambdaric's `runtime_client`, if it has been imported in this process."""
    return sys.modules.get(CLIENT_MODULE)


def check(module: Any) -> None:
    """Check that awslambdaric's methods call the functions of `runtime_client` that are replaced.

    A version newer than those that were tested is refused.

    Raises:
        UnfitClientError: They do not; the message is a clause that continues a sentence.
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
    """Whether a method calls the client; a patched method cannot be inspected and counts as if it did."""
    if getattr(function, "__globals__", None) is not vars(module):
        return True
    return {"runtime_client", call} <= set(function.__code__.co_names)


def install(module: Any) -> None:
    """Wrap the `runtime_client` of this module in a streaming client, once.

    Raises:
        UnfitClientError: It is incompatible.
    """
    if isinstance(getattr(module, "runtime_client", None), StreamingClient):
        return
    check(module)
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"], str(module._user_agent()))

    def poster(request_id: str, invocation_id: str | None, payload: bytes) -> ResponsePoster:
        return ResponsePoster(api, request_id, invocation_id, payload)

    module.runtime_client = StreamingClient(module.runtime_client, poster)


class Runtime:
    """awslambdaric with a streaming client, fully imported; `run` starts it.

    Raises:
        UnfitClientError: awslambdaric is missing or incompatible.
    """

    def __init__(self) -> None:
        from .client import Client

        # Replaces the native extension, which with a layer would be the managed runtime's.
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
            # Our client needs no polling thread.
            self.main.bootstrap.run(handler, self._module.LambdaRuntimeClient(config.api_address))
            return
        self.main.main(["", handler])
