"""Both sides of a question until the gap is closed."""
