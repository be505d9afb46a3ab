"""Wire formats as bytes and JSON, without I/O, threads or an event loop."""
