"""Optional packages, which an extra installs."""

from importlib import import_module
from typing import Any

from .errors import ConfigurationError


def require(module: str, wanted_by: str, extra: str) -> Any:
    """Import a module of an optional package.

    Raises:
        ConfigurationError: It is not installed; the message names the extra.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ConfigurationError(f"{wanted_by} needs {package}: pip install 'streamify[{extra}]'.") from error
