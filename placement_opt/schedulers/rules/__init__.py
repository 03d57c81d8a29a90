"""The rules of arXiv 2508.13231 and of its simulator: where blocks lie at first, where new ones go, what migrates.

One idea a file; :mod:`placement_opt.schedulers.rules.tables` lists them under their names.
"""
