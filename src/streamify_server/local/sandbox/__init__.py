"""The processes of functions: how they are started, served over the Runtime API, watched and killed."""
