"""The state machine of the Runtime API, as a table."""

import pytest

from streamify_server.local.sandbox.states import (
    TRANSITIONS,
    InvalidTransitionError,
    RuntimeCall,
    State,
    transition,
    valid_error_type,
)

LIVES = {
    "two invocations": "NEXT INVOKE RESPONSE RESPONSE_SENT NEXT INVOKE ERROR RESPONSE_SENT NEXT",
    "an answer to /next was lost": "NEXT NEXT INVOKE NEXT RESPONSE RESPONSE_SENT NEXT",
    "a restored snapshot": "RESTORE_NEXT NEXT INVOKE RESPONSE RESPONSE_SENT",
    "a failed init": "INIT_ERROR",
    "a failed restore": "RESTORE_NEXT RESTORE_ERROR",
}


@pytest.mark.parametrize("calls", LIVES.values(), ids=LIVES.keys())
def test_a_runtime_may_live_so(calls: str) -> None:
    state = State.STARTED
    for name in calls.split():
        state = transition(state, RuntimeCall[name])


@pytest.mark.parametrize(
    ("before", "call"),
    [
        ("NEXT INVOKE RESPONSE", "NEXT"),
        ("NEXT INVOKE RESPONSE", "ERROR"),
        ("NEXT INVOKE RESPONSE", "RESPONSE"),
        ("NEXT INVOKE ERROR RESPONSE_SENT", "RESPONSE"),
        ("NEXT INVOKE RESPONSE RESPONSE_SENT", "ERROR"),
        ("NEXT", "RESPONSE"),
        ("NEXT", "INIT_ERROR"),
        ("INIT_ERROR", "NEXT"),
        ("", "RESPONSE"),
        ("NEXT", "RESTORE_NEXT"),
    ],
)
def test_a_call_out_of_turn_is_refused_naming_both_states(before: str, call: str) -> None:
    state = State.STARTED
    for name in before.split():
        state = transition(state, RuntimeCall[name])
    with pytest.raises(
        InvalidTransitionError, match=f"from {state} to {RuntimeCall[call]} failed for runtime"
    ):
        transition(state, RuntimeCall[call])


def test_every_state_but_the_failed_ones_leads_on() -> None:
    leading = {state for state, _ in TRANSITIONS}
    assert set(State) - leading == {State.INIT_ERROR, State.RESTORE_ERROR}


@pytest.mark.parametrize(
    ("posted", "kept"),
    [
        ("Function.MyError", "Function.MyError"),
        ("Runtime.ImportModuleError", "Runtime.ImportModuleError"),
        ("Function.lower", "Function.Unknown"),
        ("Function.", "Function.Unknown"),
        ("ValueError", "Runtime.Unknown"),
        ("", "Runtime.Unknown"),
    ],
)
def test_an_error_type_out_of_form_is_replaced(posted: str, kept: str) -> None:
    assert valid_error_type(posted) == kept
