"""The commands of `streamify`, on click."""
