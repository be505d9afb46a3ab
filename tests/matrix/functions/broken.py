"""A module that fails to import."""

raise KeyError("the setting is missing")
