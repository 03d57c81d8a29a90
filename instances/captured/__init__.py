"""A small model that learns Python from Python's own library, and a trace of the attention that it learnt."""
