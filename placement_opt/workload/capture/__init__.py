"""A trace from a model that is run: what its attention weighs at every token and layer, and which tokens it would read."""
