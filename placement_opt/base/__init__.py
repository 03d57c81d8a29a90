"""What every other room stands on: errors, units, files in and out, limits, processes."""
