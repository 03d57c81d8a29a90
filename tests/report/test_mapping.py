"""``placement-opt trace map``: figures of a mapping by hand, in words and as JSON, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.report.mapping import mapping_info
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.synth import synthesize
from placement_opt.workload.trace import Trace

FLASH = {"model": "llama-2-7b", "context": 800, "weights": "none", "page": "4 KiB", "planes": 32, "dies": 16}


def made(folder: Path, **parameters: Any) -> str:
    path = folder / "t.npz"
    save_trace(synthesize("decode", FLASH | {"layout": "head-grouped"} | parameters, 0), path)
    return str(path)


def test_figures_of_a_mapping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """LLaMA2-7B, 800 tokens: 50 full pages of keys and 50 of values in each of 1,024 head groups; 128 pages a token."""
    options = ["--rate", "30", "--capacity", "64 GB", "--cycles", "3000", "--block-pages", "768", "--kept", "1000"]
    assert main(["trace", "map", made(tmp_path), "--json", *options]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["pages_read_per_token"], info["pages_written_per_token"], info["write_amplification"]) == (102400, 128, 1)
    assert (info["written_per_token"], info["kv_read_per_token"]) == (2**19, 800 * 2**19)
    assert info["lifetime_s"] / 86400 == pytest.approx(141.3, abs=0.05)
    assert info["page_reads_per_block"] == 768_000


def test_a_mapping_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Pages an eighth full are read and programmed eight times as often."""
    path = made(tmp_path, buffer="8 KiB")
    assert main(["trace", "map", path, "--rate", "30", "--capacity", "64 GB", "--cycles", "100000"]) == 0
    words = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    found = {name: text.strip() for name, text in words.items()}
    assert found["page"] == "4 KiB, 0.125 of it written"
    assert found["KV read a token"] == "400 MiB, 819,200 pages"
    assert found["KV written a token"] == "512 KiB, 1,024 pages programmed"
    assert found["write amplification"] == "8.000"
    assert found["lifetime"].startswith("1.6")


def test_query_heads_on_their_own_read_a_page_again() -> None:
    """Eight query heads share a KV head of LLaMA3.1-70B; scattered vectors are sixteen a page: 128 reads for one."""
    few = {"model": "llama-3.1-70b", "layers": 2}
    grouped, scattered = (
        synthesize("decode", FLASH | few | {"layout": layout}, 0) for layout in ("head-grouped", "token-major")
    )
    one = mapping_info(grouped, block_pages=768, kept=10)["page_reads_per_block"]
    assert mapping_info(scattered, block_pages=768, kept=10, alone=True)["page_reads_per_block"] == 128 * one


@pytest.mark.parametrize(
    ("parameters", "options", "message"),
    [
        ({}, ["--capacity", "64 GB"], "--capacity: found --capacity without --rate, expected both"),
        ({}, ["--rate", "3", "--cycles", "10"], "--cycles: found --cycles without --capacity, expected both"),
        ({}, ["--block-pages", "7"], "--block-pages: found --block-pages without --kept, expected both"),
        ({}, ["--kept", "7"], "--kept: found --kept without --block-pages, expected both"),
        ({}, ["--alone"], "--alone: found --alone without --kept, expected both"),
        ({}, ["--rate", "0"], "--rate: found 0.0, expected more than nothing"),
        (
            {"page": None, "planes": 1, "dies": 1},
            ["--block-pages", "7", "--kept", "1"],
            "--block-pages: found --block-pages for KV without pages, expected",
        ),
    ],
)
def test_options_that_need_others_are_refused(
    parameters: dict[str, Any], options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each says which."""
    assert main(["trace", "map", made(tmp_path, layers=1, **parameters), *options]) == 2
    assert message in capsys.readouterr().err


def test_other_traces_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What does not say how its KV lies, and what says it wrongly."""
    save_trace(Trace.from_reads([[0]]), tmp_path / "t.npz")
    assert main(["trace", "map", str(tmp_path / "t.npz")]) == 2
    assert "meta: found a trace that does not say how its KV lies, expected one made by decode" in capsys.readouterr().err
    trace = synthesize("decode", FLASH | {"layers": 1}, 0)
    changed = dataclasses.replace(trace, meta={"generator": "decode", "parameters": {"modell": 3}})
    with pytest.raises(InputError, match="meta: found parameters that decode does not have, expected its own"):
        mapping_info(changed)
