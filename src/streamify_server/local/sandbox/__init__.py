"""A function's processes: started, fed over the Runtime API, watched and ended."""
