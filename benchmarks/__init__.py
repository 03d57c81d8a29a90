"""Benchmarks: named cases, one runner, results as small files, a table made from them."""
