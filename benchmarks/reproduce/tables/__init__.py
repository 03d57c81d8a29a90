"""One file a paper, each with its ``TABLES``."""
