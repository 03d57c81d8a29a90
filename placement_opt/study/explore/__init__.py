"""Explorations: many designs, the best of them proven (:func:`placement_opt.study.explore.explore.explore`)."""
