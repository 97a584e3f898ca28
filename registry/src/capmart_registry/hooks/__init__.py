"""Extension points of the center."""
