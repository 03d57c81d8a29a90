"""How the reads of a step share the copies: the exact time of a step."""
