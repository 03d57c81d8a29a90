"""Questions in files that several tests of this folder, and of others, ask."""

from __future__ import annotations

import pytest

from placement_opt.instance import trace_source as tracesource
from placement_opt.workload.trace import Trace
from tests.cli.cases import DRIFT

FOUR = """\
schema = 1
name = "four"
[memory]
preset = "gh200"
hbm.capacity = "{hbm} MiB"
lpddr.capacity = "{lpddr} MiB"
[llm]
layers = {layers}
kv_bytes = "16 KiB"
weight_bytes = "3 MB"
weight_resident = "{weights} MiB"
[trace]
synth = "drift"
layers = {layers}
prefill = 60
tokens = 12
drift = 0.2
seed = 7
[rules]
residency = "inclusive"
floor = "2 us"
"""


HUGE = DRIFT.replace("prefill = 60", "prefill = 60000").replace("tokens = 12", "tokens = 12000")


HUGE = HUGE.replace("layers = 2\n", "layers = 80\n").replace("2 MiB", "2 GiB")


def forbid_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing the huge trace fails the test."""
    make = tracesource.Generated.make

    def watched(source: tracesource.Generated) -> Trace:
        assert source.values.get("tokens", 0) < 12_000, "the trace is being drawn"
        return make(source)

    monkeypatch.setattr(tracesource.Generated, "make", watched)
