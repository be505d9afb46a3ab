"""The life of one stream: its state, its limits, its parts, the loop that reads it and its views."""
