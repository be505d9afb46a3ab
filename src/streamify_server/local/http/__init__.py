"""The HTTP/1.1 server: bytes to requests, responses to bytes, and who is turned away."""
