"""Traces made from traces."""
