"""Certificates and the independent verifier: exact integers, no solver, nothing of the bounds."""
