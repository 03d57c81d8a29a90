"""Views of a trace before any memory system, one a file; :mod:`placement_opt.workload.stats` puts them together."""
