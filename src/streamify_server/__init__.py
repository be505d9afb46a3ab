"""Make streamed AWS Lambda responses."""
