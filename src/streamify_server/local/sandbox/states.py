"""The state machine of the Runtime API: which call a runtime may make in which state.

States, names and transitions are those of Lambda's own Runtime API server, published in
https://github.com/aws/aws-lambda-runtime-interface-emulator.
"""

import re
from enum import StrEnum


class State(StrEnum):
    """The state of a runtime; the values are the names in the Runtime API's error messages."""

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
    """A call or event that changes the state; the values are the names of the requested states."""

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
    # A runtime that lost the response to /next may repeat the call and gets the same invocation.
    (State.RUNNING, RuntimeCall.NEXT): State.RUNNING,
    (State.RUNNING, RuntimeCall.RESPONSE): State.INVOCATION_RESPONSE,
    (State.RUNNING, RuntimeCall.ERROR): State.INVOCATION_ERROR_RESPONSE,
    (State.INVOCATION_RESPONSE, RuntimeCall.RESPONSE_SENT): State.RESPONSE_SENT,
    (State.INVOCATION_ERROR_RESPONSE, RuntimeCall.RESPONSE_SENT): State.RESPONSE_SENT,
    (State.RESPONSE_SENT, RuntimeCall.NEXT): State.READY,
}


class InvalidTransitionError(Exception):
    """The call is not allowed in the current state."""


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
    """Return the posted error type if it is valid, else the placeholder that Lambda uses."""
    if _ERROR_TYPE.search(posted):
        return posted
    return "Function.Unknown" if posted.startswith("Function.") else "Runtime.Unknown"
