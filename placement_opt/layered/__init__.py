"""Two-sided answers for traces too large for rows: two tiers, inclusive, layered; everything runs on runs."""

from placement_opt.instance.layered import Layered
from placement_opt.instance.load import load_layered
from placement_opt.layered.solve import Answer, solve_large

__all__ = ["Answer", "Layered", "load_layered", "solve_large"]
