"""Streams into files and out of them."""
