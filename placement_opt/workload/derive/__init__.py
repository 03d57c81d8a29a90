"""From a log of requests to the steps of a server: which pages of KV each iteration of continuous batching reads and writes.

Public traces say what was asked; a bound wants what was read at each step. In between lie a model, a way to batch and a way to
attend; every assumption about them is in the trace's metadata. docs/derive.md is the statement that this package answers to.
"""
