"""The `streamify` command."""

import sys


def main() -> None:
    """Run the `streamify` command; without click, say in one sentence how to get it."""
    try:
        from ._commands import streamify
    except ModuleNotFoundError as missing:
        if missing.name != "click":
            raise
        sys.exit("streamify: the command line needs click: pip install 'streamify[cli]'")
    streamify()


if __name__ == "__main__":
    main()
