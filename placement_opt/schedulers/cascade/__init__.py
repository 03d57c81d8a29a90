"""Rules for what moves between tiers, one a file, on one mechanism (:mod:`placement_opt.schedulers.cascade.levels`)."""
