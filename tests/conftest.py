"""One hypothesis profile for all tests: the same examples every time, no deadline, nothing kept between runs."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("house", derandomize=True, deadline=None, database=None, print_blob=True)
settings.load_profile("house")
