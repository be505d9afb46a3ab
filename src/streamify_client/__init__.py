"""Read streamed AWS Lambda responses."""
