"""What others report of offloading: every input is there, follows from the model, and no report beats its path."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.units import parse_rate, parse_size
from placement_opt.workload.llm import SHAPES, preset

FILE = Path(__file__).parent.parent / "benchmarks" / "published" / "offload.toml"
REPORTS = tomllib.loads(FILE.read_text(encoding="utf-8"))["report"]
TEXTS = {"name", "reads", "model", "bytes", "path", "rate", "rate_is", "reported", "source", "address", "date"}


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: str(report["name"]))
def test_a_report_has_every_input_and_does_not_beat_its_path(report: dict[str, Any]) -> None:
    """Its keys, where it is from, and the time that its bytes take at least."""
    assert set(report) - {"tokens", "layers"} == TEXTS | {"seconds"}
    assert all(isinstance(report[key], str) and report[key] for key in TEXTS)
    assert report["address"].startswith("https://")
    assert report["rate_is"] in {"measured", "specification", "datasheet"}
    assert parse_size(report["bytes"]) / parse_rate(report["rate"]) <= report["seconds"]


def test_bytes_follow_from_the_models() -> None:
    """KV of so many tokens, in one layer or in all; two bytes for each parameter of the layers, or of one expert."""
    found = {report["name"]: parse_size(report["bytes"]) for report in REPORTS}
    for report in REPORTS:
        model, shape = preset(report["model"]), SHAPES[report["model"]]
        if "tokens" in report:
            layers = 1 if "one layer" in report["reads"] else model.layers
            assert found[report["name"]] == report["tokens"] * model.kv_bytes * layers
        if "layers" in report:
            assert found[report["name"]] == 2 * shape.active_parameters // shape.layers * report["layers"]
    assert found["mixtral-one-expert"] == 2 * 3 * 4096 * 14336
    assert found["llama-3.1-70b-nvme"] == 80 * parse_size("670 MB")
