"""Many instances, settings and schedulers: comparisons, sweeps, worth, records."""
