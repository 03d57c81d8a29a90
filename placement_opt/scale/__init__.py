"""Two-sided answers for traces too large for rows: two tiers, inclusive, layered; everything runs on runs."""

from placement_opt.large import Large, load_large
from placement_opt.scale.solve import Answer, memory_needed, solve_large

__all__ = ["Answer", "Large", "load_large", "memory_needed", "solve_large"]
