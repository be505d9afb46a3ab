"""Functions behind plain HTTP: Function URLs and REST APIs."""
