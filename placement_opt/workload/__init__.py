"""Traces: what is read at every step. Files, importers, generators and statistics."""
