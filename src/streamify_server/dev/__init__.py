"""`streamify dev`: functions on a local Lambda, reloaded when their source changes."""

from .functions import DevFunction, functions_of, read_env_file
from .server import DevOptions, run_dev
from .terminal import DevError, Terminal

__all__ = [
    "DevError",
    "DevFunction",
    "DevOptions",
    "Terminal",
    "functions_of",
    "read_env_file",
    "run_dev",
]
