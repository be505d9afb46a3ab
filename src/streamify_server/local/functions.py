"""The configuration of a function."""

import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .arguments import check_environment, check_list, check_number, check_texts, check_whole
from .layers import wrapped_command
from .names import LATEST

# AWS documents 900; its API model of November 2026 allows 1,800.
MAX_TIMEOUT = 1800

_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_ALIAS = re.compile(r"(?!\d+$)[a-zA-Z0-9-_]{1,128}")

_PYTHON_START = Path(__file__).parent / "sandbox" / "python_start.py"

DUMMY_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIALOCALLAMBDA00000",
    "AWS_SECRET_ACCESS_KEY": "local/lambda/accepts/any/signature/of/yours",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """The configuration of one function, with Lambda's defaults."""

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
    opt: Path | None = None  # the folder used as /opt
    layers: tuple[str, ...] = ()  # the names of the layers unpacked there
    wrapped: bool = False  # an exec wrapper starts the runtime

    @property
    def managed(self) -> bool:
        """Whether this package's runtime starts it, as a Python handler."""
        return self.command == python_command(self.handler)

    @property
    def runtime(self) -> str:
        """The identifier of the managed Python runtime, or of a custom runtime."""
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
    """Check the configuration of a function and fill in the defaults.

    Raises:
        ValueError: The name, directory, timeout or handler is invalid.
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
    """Return the current time in the control plane's format."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())


def python_command(handler: str) -> tuple[str, ...]:
    """Return the command that runs a Python handler with this interpreter and this package's runtime."""
    return (sys.executable, str(_PYTHON_START), handler)
