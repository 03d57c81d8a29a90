"""Both sides of traces too large for rows: two tiers, inclusive, layered; everything works on runs."""
