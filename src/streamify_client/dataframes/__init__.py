"""Read streams into data frames."""
