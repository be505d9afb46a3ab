"""Write streams to files, and read them as files."""
