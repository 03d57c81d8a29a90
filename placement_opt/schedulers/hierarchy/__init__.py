"""Caches over any number of tiers, behind the online policies."""
