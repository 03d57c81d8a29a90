"""Classical replacement rules, one a file, on one compiled engine (:mod:`placement_opt.schedulers.classical.caching`)."""
