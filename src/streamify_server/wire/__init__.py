"""What travels, as bytes and JSON: no I/O, no threads, no event loop."""
