"""Data frames of a stream."""
