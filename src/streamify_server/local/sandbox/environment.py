"""The environment variables of a function's process, as Lambda sets them."""

import os
from pathlib import Path

from streamify_server.local.functions import DUMMY_CREDENTIALS, Function
from streamify_server.local.layers import python_paths, search_paths

# A function inherits nothing else, and in particular none of the caller's AWS credentials and profiles.
_INHERITED = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)

TERMINAL = "STREAMIFY_TERMINAL"


def process_environment(
    function: Function,
    *,
    runtime_api: str,
    region: str,
    log_stream: str,
    endpoint_url: str | None = None,
    ca_bundle: str | None = None,
) -> dict[str, str]:
    """Return the complete environment of a function's process, as Lambda sets it.

    See https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html. The function's own variables
    override inherited variables and defaults, but not the variables that Lambda reserves.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    conveniences = {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONUNBUFFERED": "1",
        "AWS_SESSION_TOKEN": "local/lambda/accepts/any/session/token",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **_breakpoints(),
        **DUMMY_CREDENTIALS,
    }
    if ca_bundle:
        conveniences["AWS_CA_BUNDLE"] = ca_bundle
    if endpoint_url:
        conveniences |= {"AWS_ENDPOINT_URL_LAMBDA": endpoint_url, "AWS_ENDPOINT_URL_STS": endpoint_url}
    if not function.managed:
        conveniences["PYTHONDONTWRITEBYTECODE"] = "1"  # python_start.py does it for the others
    reserved = {
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "_HANDLER": function.handler,
        "LAMBDA_TASK_ROOT": str(function.code),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
    if function.managed or function.wrapped:
        reserved["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{function.runtime}"
    environment = {**inherited, **conveniences, **function.environment, **reserved}
    if function.opt:
        environment.update(search_paths(function.opt, environment))
    if function.wrapped:  # the wrapper must find its packages as it would on Lambda
        return environment | {"LAMBDA_RUNTIME_DIR": "/var/runtime"}
    return environment | {"PYTHONPATH": _python_path(function, environment.get("PYTHONPATH"))}


def _python_path(function: Function, own: str | None) -> str:
    layered = python_paths(function.opt) if function.opt else []
    paths = [str(function.code), *layered, *([own] if own else [])]
    package_root = Path(__file__).resolve().parents[3]
    # Never site-packages itself: on PYTHONPATH, its backports would shadow the standard library.
    if package_root.name not in ("site-packages", "dist-packages"):
        paths.append(str(package_root))
    return os.pathsep.join(paths)


def _breakpoints() -> dict[str, str]:
    """Return the variables that set what `breakpoint()` calls and which terminal it may use."""
    variables = {"PYTHONBREAKPOINT": "streamify_server.dev.breakpoint.stop"}
    try:
        # Both must be terminals: a prompt that cannot be seen or answered would block the function.
        if os.isatty(0) and os.isatty(1):
            variables[TERMINAL] = os.ttyname(0)
    except OSError:
        pass  # closed descriptors
    return variables
