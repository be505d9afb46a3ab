"""`streamify dev`: one function on a local Lambda, reloaded when its source changes."""

from .server import DevError, DevOptions, Terminal, run_dev

__all__ = ["DevError", "DevOptions", "Terminal", "run_dev"]
