"""One call of a streaming handler: from the event to the end of its response."""
