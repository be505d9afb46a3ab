"""The stream inspector: a page that shows live when each chunk of a response left the function."""
