"""One self-registering case (or a family of similar ones) a file."""
