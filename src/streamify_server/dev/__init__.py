"""`streamify dev`, functions on a local Lambda, reloaded when their source changes; and `streamify demo`."""
