"""The life of a runtime as the Runtime API sees it: one table of states and calls.

The states, their names and the transitions are those of Lambda's own Runtime API server, published in
https://github.com/aws/aws-lambda-runtime-interface-emulator.
"""

import re
from enum import StrEnum


class State(StrEnum):
    """Where a runtime stands; the values are the names that the Runtime API puts into its errors."""

    STARTED = "Started"
    INIT_ERROR = "InitError"
    READY = "Ready"
    RUNNING = "Running"
    INVOCATION_RESPONSE = "InvocationResponse"
    INVOCATION_ERROR_RESPONSE = "InvocationErrorResponse"
    RESPONSE_SENT = "RuntimeResponseSentState"
    RESTORING = "Restoring"
    RESTORE_ERROR = "RuntimeRestoreErrorState"


class RuntimeCall(StrEnum):
    """What can happen to a runtime; the values are the names of the states that the calls ask for."""

    NEXT = "Ready"
    INVOKE = "Running"
    RESPONSE = "InvocationResponse"
    ERROR = "InvocationErrorResponse"
    RESPONSE_SENT = "RuntimeResponseSentState"
    INIT_ERROR = "InitError"
    RESTORE_NEXT = "Restoring"
    RESTORE_ERROR = "RuntimeRestoreErrorState"


TRANSITIONS: dict[tuple[State, RuntimeCall], State] = {
    (State.STARTED, RuntimeCall.NEXT): State.READY,
    (State.STARTED, RuntimeCall.INIT_ERROR): State.INIT_ERROR,
    (State.STARTED, RuntimeCall.RESTORE_NEXT): State.RESTORING,
    (State.RESTORING, RuntimeCall.NEXT): State.READY,
    (State.RESTORING, RuntimeCall.RESTORE_ERROR): State.RESTORE_ERROR,
    (State.RESTORING, RuntimeCall.INIT_ERROR): State.RESTORE_ERROR,
    (State.READY, RuntimeCall.NEXT): State.READY,
    (State.READY, RuntimeCall.INVOKE): State.RUNNING,
    # A runtime that lost the answer to /next asks again and gets the same invocation.
    (State.RUNNING, RuntimeCall.NEXT): State.RUNNING,
    (State.RUNNING, RuntimeCall.RESPONSE): State.INVOCATION_RESPONSE,
    (State.RUNNING, RuntimeCall.ERROR): State.INVOCATION_ERROR_RESPONSE,
    (State.INVOCATION_RESPONSE, RuntimeCall.RESPONSE_SENT): State.RESPONSE_SENT,
    (State.INVOCATION_ERROR_RESPONSE, RuntimeCall.RESPONSE_SENT): State.RESPONSE_SENT,
    (State.RESPONSE_SENT, RuntimeCall.NEXT): State.READY,
}


class InvalidTransitionError(Exception):
    """A call that the runtime may not make now."""


def transition(state: State, call: RuntimeCall) -> State:
    """Return the state after a call.

    Raises:
        InvalidTransitionError: The call is not allowed in this state.
    """
    try:
        return TRANSITIONS[state, call]
    except KeyError:
        raise InvalidTransitionError(
            f"State transition from {state} to {call} failed for runtime. "
            "Error: State transition is not allowed"
        ) from None


_ERROR_TYPE = re.compile(r"(Runtime|Function)\.[A-Z][a-zA-Z]+")


def valid_error_type(posted: str) -> str:
    """Return the error type that Lambda keeps: the one posted, or its placeholder for an unknown one."""
    if _ERROR_TYPE.search(posted):
        return posted
    return "Function.Unknown" if posted.startswith("Function.") else "Runtime.Unknown"
