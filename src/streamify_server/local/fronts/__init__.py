"""The HTTP endpoints of functions: Function URLs and REST APIs."""
