"""Handling of one invocation, from the event to the end of its response."""
