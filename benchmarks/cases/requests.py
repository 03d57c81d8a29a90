"""Both sides of a million requests in the shape of Mooncake's conversation trace, on HBM, DRAM and NVMe."""

from __future__ import annotations

from functools import partial

from benchmarks.cases.truth import truth_case
from benchmarks.inputs import requests_instance

for _rule, _about in (("cache", "blocks may be forgotten and recomputed"), ("free", "room for every block on drives")):
    truth_case(
        f"requests-1e6-{_rule}",
        f"Both sides of 1e6 requests with the marginals of Mooncake's conversation trace (1.5e7 blocks, 9e6 reads), {_about}.",
        partial(requests_instance, residency=_rule),
        (60, 1_000_000),
        (0.02, 600.0, 8.0),
        peers=(),
        limited=True,
    )
