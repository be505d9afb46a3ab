"""The `streamify` command."""

import os
import sys

_USAGE = 2  # exit status for wrong usage and missing packages


def main() -> None:
    """Run the `streamify` command; if click is missing, say in one sentence how to install it."""
    _open_closed_streams()
    try:
        from streamify_client.commands.group import streamify
    except ModuleNotFoundError as missing:
        if missing.name != "click":
            raise
        print("streamify: the command line needs click: pip install 'streamify[cli]'", file=sys.stderr)
        sys.exit(_USAGE)
    streamify()


def _open_closed_streams() -> None:
    """Reopen standard streams that the caller has closed.

    Otherwise the next socket or file would get the descriptor of a standard stream, and `print` to a closed
    standard error would write to standard output. `sys.stdin` and `sys.stdout` stay None, because they were
    closed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


if __name__ == "__main__":
    main()
