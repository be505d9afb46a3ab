"""Reads which functions to serve from the arguments of `streamify dev`, and from TOML files."""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

InvokeMode = Literal["RESPONSE_STREAM", "BUFFERED"]

_HANDLER = re.compile(r"(?:(?P<name>[^=]*)=)?(?P<module>[\w./-]*[\w-])\.(?P<function>[^\W\d]\w*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DevFunction:
    """The configuration of one function to serve."""

    handler: str
    name: str = ""
    code: Path = Path()
    timeout: float = 900.0
    environment: Mapping[str, str] = field(default_factory=dict)
    invoke_mode: InvokeMode = "RESPONSE_STREAM"
    memory_size: int | None = None


def functions_of(arguments: Iterable[str], defaults: DevFunction) -> tuple[DevFunction, ...]:
    """Return the functions that the arguments specify, each with a unique name.

    Args:
        arguments: "module.function", "NAME=module.function", or the path of a TOML file.
        defaults: The defaults for all functions; values in a file override them.

    Raises:
        ValueError: An argument or a file is invalid; the message is a sentence for the terminal.
    """
    found: list[DevFunction] = []
    for argument in arguments:
        if argument.endswith(".toml"):
            found += _from_file(Path(argument), defaults)
        else:
            found.append(_from_argument(argument, defaults))
    if defaults.name and len(found) > 1:
        raise ValueError("--name is for one function; several are named by NAME=module.function.")
    return tuple(_named(found))


def _from_argument(argument: str, defaults: DevFunction) -> DevFunction:
    match = _HANDLER.fullmatch(argument)
    if not match:
        raise ValueError(
            f"{argument!r} is not module.function (such as app.handler) or the path of a .toml file."
        )
    handler = argument.partition("=")[2] if match["name"] is not None else argument
    return replace(defaults, handler=handler, name=match["name"] or defaults.name)


def _named(functions: list[DevFunction]) -> list[DevFunction]:
    """Fill in missing names: the module's name, followed by the function's if it would not be unique."""
    named = []
    short = [function.name or _module_name(function.handler) for function in functions]
    for function, name in zip(functions, short, strict=True):
        unique = function.name or short.count(name) == 1
        last = function.handler.rpartition(".")[2]
        named.append(replace(function, name=name if unique else f"{name}-{last}"))
    taken = [function.name for function in named]
    for name in taken:
        if taken.count(name) > 1:
            raise ValueError(f"Two functions are named {name!r}: name one of them by NAME=module.function.")
    return named


def _module_name(handler: str) -> str:
    module = handler.rpartition(".")[0].replace("/", ".").rpartition(".")[2]
    return re.sub(r"[^a-zA-Z0-9-_]+", "-", module)


def _from_file(path: Path, defaults: DevFunction) -> list[DevFunction]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("functions")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # invalid UTF-8 or TOML
        raise ValueError(f"{path} is not a TOML file: {error}.") from None
    if not isinstance(tables, dict) or not tables:
        raise ValueError(f"{path} has no [functions.NAME] table.")
    return [_from_table(path, name, table, defaults) for name, table in tables.items()]


def _from_table(path: Path, name: str, table: object, defaults: DevFunction) -> DevFunction:
    where = f"{path}, [functions.{name}]"
    if not isinstance(table, dict) or "handler" not in table:
        raise ValueError(f'{where} needs handler = "module.function".')
    for key, value in table.items():
        if key not in _KEYS:
            raise ValueError(f"{where} has no {key!r}: it can have {', '.join(_KEYS)}.")
        if not _KEYS[key](value):
            raise ValueError(f"{where}: {key} cannot be {value!r}.")
    known = cast(dict[str, Any], table)
    function = replace(_from_argument(known["handler"], defaults), name=name)
    environment = dict(defaults.environment)
    if "env_file" in known:
        environment |= read_env_file(path.parent / known["env_file"])
    options = {key: known[key] for key in ("timeout", "invoke_mode", "memory_size") if key in known}
    return replace(
        function,
        code=path.parent / known.get("code", "."),
        environment=environment | known.get("environment", {}),
        **options,
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


_KEYS: dict[str, Callable[[object], bool]] = {
    "handler": _text,
    "code": _text,
    "timeout": _number,
    "environment": _texts,
    "env_file": _text,
    "invoke_mode": lambda value: value in ("RESPONSE_STREAM", "BUFFERED"),
    "memory_size": _number,
}


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables in a file of `NAME=VALUE` lines; quotes, comments and `export` as in `.env` files.

    Raises:
        ModuleNotFoundError: The extra `dev` is not installed.
        ValueError: It cannot be read, or a line is invalid.
    """
    try:
        from dotenv.parser import parse_stream
    except ModuleNotFoundError:
        raise ModuleNotFoundError("--env-file needs python-dotenv: pip install 'streamify[dev]'") from None
    try:
        with path.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"{path} cannot be read: {why}.") from None
    for binding in bindings:
        if binding.error or (binding.key and binding.value is None):
            skipped = len(binding.original.string) - len(binding.original.string.lstrip("\n"))
            raise ValueError(f"{path}, line {binding.original.line + skipped}, is not NAME=VALUE.")
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}
