"""How `breakpoint()` in a function finds the terminal that runs LocalLambda."""

import os

TERMINAL = "STREAMIFY_TERMINAL"


def breakpoints() -> dict[str, str]:
    """Variables for a function's process: what `breakpoint()` calls, and the terminal that it may use."""
    variables = {"PYTHONBREAKPOINT": "streamify_server.dev.breakpoint.stop"}
    try:
        # Both, because a prompt that cannot be answered, or is not seen, would hold the function up.
        if os.isatty(0) and os.isatty(1):
            variables[TERMINAL] = os.ttyname(0)
    except OSError:
        pass  # closed descriptors
    return variables
