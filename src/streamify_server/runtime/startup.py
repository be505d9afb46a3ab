"""The start of a function's process: first the runtime, then the function's folders, as in a managed runtime.

AWS's bootstrap imports its runtime client, and with it much of the standard library, before it adds the
function's folder to the front of the search path. A `logging.py` in there then breaks only the function.
"""

from __future__ import annotations

import json
import os
import site
import sys

from streamify_server.shadowing import give_back

from .api import RuntimeApi, RuntimeApiError
from .ric import Runtime, UnfitClientError

TYPE_CHECKING = False  # importing typing costs every cold start
if TYPE_CHECKING:
    from typing import NoReturn

ERROR_TYPE = "Runtime.UnfitRuntimeClient"

# Standard library modules that this runtime imports and AWS's runtime client does not.
_MORE_THAN_AWS = ("select",)


def prepare() -> Runtime:
    """Import everything that the runtime needs; an incompatibility is an init error and ends the process."""
    if not os.environ.get("AWS_LAMBDA_RUNTIME_API"):
        sys.exit("AWS_LAMBDA_RUNTIME_API is not set; run the function on Lambda or on LocalLambda")
    try:
        return Runtime()
    except UnfitClientError as error:
        _give_up(
            f"The streaming runtime cannot start: {error}; attach the layer, or install streamify[server] "
            "for the awslambdaric that it works with."
        )


def _give_up(message: str) -> NoReturn:
    body = json.dumps({"errorMessage": message, "errorType": ERROR_TYPE, "stackTrace": []}).encode()
    print(f"[ERROR] {ERROR_TYPE}: {message}", flush=True)
    try:
        RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"], "streamify").send_init_error(ERROR_TYPE, body)
    except (OSError, RuntimeApiError) as error:
        print(f"[ERROR] This could not be reported to Lambda: {error}", flush=True)
    sys.exit(1)


def add_function_folders(opt: str) -> None:
    """Add the folders of the function and its layers to the search path, in the managed bootstrap's order.

    Args:
        opt: The folder where layers are unpacked, /opt on Lambda.
    """
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    layered = [f"{opt}/python/lib/{version}/site-packages", f"{opt}/python"]
    task = os.environ["LAMBDA_TASK_ROOT"]
    if "PYTHONPATH" in os.environ:
        layered = []  # as in AWS's bootstrap: a PYTHONPATH must include the layers' folders
        beside = []
    else:
        beside = [f"{sys.prefix}/lib/{version}/site-packages"]
    sys.path[:0] = [task, *layered, *beside]
    for folder in (task, *layered):
        site.addsitedir(folder)  # for its .pth files
    give_back(_MORE_THAN_AWS)
    if runtime := os.environ.get("LAMBDA_RUNTIME_DIR"):
        os.environ.setdefault("PYTHONPATH", runtime)


def main(arguments: list[str]) -> None:
    """Run `arguments[1]`, a handler such as `app.handler`, without changing the search path."""
    if len(arguments) < 2:
        sys.exit("streamify_server.runtime takes the function's handler, such as app.handler")
    serve(prepare(), arguments[1])


def serve(runtime: Runtime, handler: str) -> None:
    """Run a handler that is found on the search path."""
    sys.modules["__main__"].awslambdaricmain = runtime.main  # type: ignore[attr-defined]
    if root := os.environ.get("LAMBDA_TASK_ROOT"):
        site.addsitedir(root)  # for its .pth files
    give_back(_MORE_THAN_AWS)
    runtime.run(handler)
