"""What is known of a function: its configuration, and the environment that its process starts in."""

import os
import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .arguments import check_environment, check_list, check_number, check_texts, check_whole
from .breakpoints import breakpoints
from .layers import python_paths, search_paths, wrapped_command
from .names import LATEST

# Nothing else of the caller's environment reaches a function: least of all its AWS credentials and profiles.
_INHERITED = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)

# AWS documents 900; its API model of November 2026 allows 1,800.
MAX_TIMEOUT = 1800

_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_ALIAS = re.compile(r"(?!\d+$)[a-zA-Z0-9-_]{1,128}")

DUMMY_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIALOCALLAMBDA00000",
    "AWS_SECRET_ACCESS_KEY": "local/lambda/accepts/any/signature/of/yours",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """The configuration of one function; the defaults are those of Lambda."""

    name: str
    arn: str
    handler: str
    code: Path
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 3.0
    memory_size: int = 128
    memory_limited: bool = False
    concurrency: int | None = None
    version: str = LATEST
    aliases: tuple[str, ...] = ()
    description: str = ""
    last_modified: str = ""
    opt: Path | None = None  # the folder that stands for /opt
    layers: tuple[str, ...] = ()  # the names of what was unpacked there
    wrapped: bool = False  # an exec wrapper starts the runtime

    @property
    def managed(self) -> bool:
        """Whether it is a Python handler, started by this package."""
        return self.command == python_command(self.handler)

    @property
    def runtime(self) -> str:
        """The identifier of a managed Python runtime, or that of a runtime of one's own."""
        python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        return python if self.managed or self.wrapped else "provided.al2023"

    @property
    def log_group(self) -> str:
        return f"/aws/lambda/{self.name}"

    def has_qualifier(self, qualifier: str | None) -> bool:
        return qualifier is None or qualifier in (LATEST, self.version, *self.aliases)


def make_function(
    *, code: str | Path, command: Sequence[str] | str | None, handler: str, opt: Path | None, **fields: Any
) -> Function:
    """Check the configuration of a function and fill in what was left out.

    Raises:
        ValueError: A name, directory, timeout or handler that cannot be.
    """
    name, directory = fields["name"], Path(code).resolve()
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"A function's name has 1 to 64 letters, digits, - and _: {name!r}.")
    if not handler and not command:
        raise ValueError(f"The function {name} needs handler='module.function', or a command that runs it.")
    if not directory.is_dir():
        raise ValueError(f"The code of the function {name} must be a directory, and {directory} is not one.")
    argv = _argv(name, command)
    check_texts(f"The command of {name}", argv or (handler,))
    _check_configuration(name, fields)
    wrapped = None if argv else wrapped_command(fields["environment"], directory, opt)
    if not argv and not wrapped and not all(handler.rpartition(".")[::2]):
        raise ValueError(f"The handler of {name} is module.function, such as app.handler, not {handler!r}.")
    memory_size = fields.pop("memory_size", None)
    return Function(
        handler=handler,
        code=directory,
        command=tuple(argv or wrapped or python_command(handler)),
        last_modified=timestamp(),
        opt=opt,
        wrapped=wrapped is not None,
        aliases=tuple(fields.pop("aliases", ())),
        memory_size=memory_size or 128,
        memory_limited=memory_size is not None,
        **fields,
    )


def _check_configuration(name: str, fields: Mapping[str, Any]) -> None:
    check_environment(name, fields["environment"])
    allowed = f"more than 0 and at most {MAX_TIMEOUT} seconds"
    check_number(f"The timeout of {name}", fields["timeout"], allowed, lambda value: 0 < value <= MAX_TIMEOUT)
    if fields.get("memory_size") is not None:
        check_number(f"The memory of {name}", fields["memory_size"], "128 to 10,240 MB", _is_memory_size)
    check_whole(f"The concurrency of {name}", fields.get("concurrency"))
    check_texts(f"The description of {name}", (fields.get("description", ""),))
    aliases = fields.get("aliases", ())
    check_list(f"The aliases of {name}", aliases)
    for alias in aliases:
        if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
            raise ValueError(f"An alias of {name} has letters, digits, - and _, not only digits: {alias!r}.")


def _is_memory_size(megabytes: float) -> bool:
    return 128 <= megabytes <= 10_240 and megabytes == int(megabytes)


def _argv(name: str, command: Sequence[str] | str | None) -> Sequence[str] | None:
    try:
        return shlex.split(command) if isinstance(command, str) else command
    except ValueError as error:
        raise ValueError(f"The command of {name} cannot be read: {error}: {command!r}.") from None


def timestamp() -> str:
    """Now, as the control plane writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())


def python_command(handler: str) -> tuple[str, ...]:
    """The command that runs a Python handler: this interpreter, the runtime of this package."""
    return (sys.executable, str(Path(__file__).with_name("python_start.py")), handler)


def process_environment(
    function: Function,
    *,
    runtime_api: str,
    region: str,
    log_stream: str,
    endpoint_url: str | None = None,
    ca_bundle: str | None = None,
) -> dict[str, str]:
    """Return the whole environment of a function's process, as Lambda sets it.

    The names are those of https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html. The
    function's own variables win over what is inherited and over conveniences, never over what Lambda
    reserves.
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
        **breakpoints(),
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
    if function.wrapped:  # it finds the packages as on Lambda, and nothing helps it
        return environment | {"LAMBDA_RUNTIME_DIR": "/var/runtime"}
    return environment | {"PYTHONPATH": _python_path(function, environment.get("PYTHONPATH"))}


def _python_path(function: Function, own: str | None) -> str:
    layered = python_paths(function.opt) if function.opt else []
    paths = [str(function.code), *layered, *([own] if own else [])]
    package_root = Path(__file__).resolve().parent.parent.parent
    # Never site-packages itself: in front of the standard library its backports would shadow it.
    if package_root.name not in ("site-packages", "dist-packages"):
        paths.append(str(package_root))
    return os.pathsep.join(paths)
