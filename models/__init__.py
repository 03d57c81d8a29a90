"""The statement in algebra: one Pyomo file a formulation, to read, to check against and to copy from (see README.md)."""
