"""`streamify dev`, which serves functions on a local Lambda and reloads them, and `streamify demo`."""
