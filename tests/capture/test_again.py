"""Choosing again from selections with weights: what the stricter rule would have chosen itself, or a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from placement_opt.base.errors import InputError
from placement_opt.cli import main
from placement_opt.workload.capture.again import select
from placement_opt.workload.capture.capture import target
from placement_opt.workload.capture.rules import Rule
from tests.capture.cases import rows_of

NEEDED = "expected selections that trace capture --weights wrote"
ROW = {"capture": {"chosen_pages": 1, "rule": "by hand"}, "request_id": "r", "step_idx": 0, "layer_id": 0, "seq_len_current": 9}
ROW |= {"selected_token_pos": [2, 5], "selected_weight_ppm": [300000, 500000], "unselected_weight_ppm": 100000}


def weighed(path: Path, rule: Rule, seed: int = 1) -> Path:
    with target(path, {"rule": str(rule), "chosen_pages": rule.page_tokens}, rule.page_tokens) as file:
        for row, _ in rows_of(rule, seed):
            file.add(row, weights=True)
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("heads", ["mean", "any"])
@pytest.mark.parametrize("page_tokens", [1, 4])
@pytest.mark.parametrize("strict", [{"top_k": 2}, {"top_p": 0.2}, {"threshold": 0.15}], ids=str)
def test_equals_choosing_at_once(strict: dict[str, float], page_tokens: int, heads: str, tmp_path: Path) -> None:
    """From a loose capture, by whatever heads, each row is what the stricter rule chooses of the attention itself."""
    loose = Rule(top_k=9, heads=heads, page_tokens=page_tokens)
    select(weighed(tmp_path / "loose.jsonl", loose), tmp_path / "strict.jsonl", **strict)  # type: ignore[arg-type]
    found = lines(tmp_path / "strict.jsonl")
    rule = Rule(**strict, page_tokens=page_tokens)  # type: ignore[arg-type]
    assert [row["selected_token_pos"] for row in found] == [rule.choose(weights).tolist() for _, weights in rows_of(loose, 1)]
    assert found[0]["capture"] == {"rule": str(rule), "chosen_pages": page_tokens, "chosen_from": str(loose)}


def test_twice_is_once(tmp_path: Path) -> None:
    """Weights that are written on let an even stricter rule choose, as from the capture itself."""
    loose = weighed(tmp_path / "loose.jsonl", Rule(top_k=20))
    select(loose, tmp_path / "between.jsonl", top_k=10, weights=True)
    select(tmp_path / "between.jsonl", tmp_path / "twice.jsonl", top_k=4)
    select(loose, tmp_path / "once.jsonl", top_k=4)
    twice, once = lines(tmp_path / "twice.jsonl"), lines(tmp_path / "once.jsonl")
    assert twice[0].pop("capture")["chosen_from"] == "top-k 10, mean of heads, pages of 1"
    assert once[0].pop("capture")["chosen_from"] == "top-k 20, mean of heads, pages of 1"
    assert twice == once


@pytest.mark.parametrize("loose", [{"top_k": 10}, {"top_p": 0.5}, {"threshold": 0.05}], ids=str)
@pytest.mark.parametrize("wanted", [{"top_k": 30}, {"top_p": 0.9}, {"threshold": 0.001}], ids=str)
def test_what_a_row_may_have_left_out_is_refused(loose: dict[str, float], wanted: dict[str, float], tmp_path: Path) -> None:
    """Whatever the capture left out by, a rule that would choose more of it is not guessed at."""
    path = weighed(tmp_path / "loose.jsonl", Rule(**loose))  # type: ignore[arg-type]
    with pytest.raises(
        InputError, match=r":1: selected_token_pos: found a row of \d+ pages that left out some of up to \d+ mil"
    ):
        select(path, tmp_path / "t.npz", **wanted)  # type: ignore[arg-type]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["loose.jsonl"]


def test_what_left_out_nothing_takes_any_rule(tmp_path: Path) -> None:
    """A capture of every token."""
    path = weighed(tmp_path / "all.jsonl", Rule(top_k=99))
    assert set(select(path, tmp_path / "t.npz", top_k=200).chosen.values()) == {43.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"capture": None}, f"capture: found no such key, {NEEDED}"),
        ({"capture": {"chosen_pages": 0}}, "chosen_pages: found 0, expected a whole number from 1 to 2147483647"),
        ({"selected_weight_ppm": [1]}, "selected_weight_ppm: found 1 weights, expected 2, one for each of selected_token_pos"),
        ({"selected_weight_ppm": 5}, "selected_weight_ppm: found 5, expected a list of whole numbers"),
        ({"selected_weight_ppm": [1, -1]}, "selected_weight_ppm: found -1, expected numbers from 0 to 2147483647"),
        ({"selected_token_pos": [5, 2]}, "selected_token_pos: found positions out of order, expected them ascending"),
        ({"selected_token_pos": [5, 9]}, "selected_token_pos: found 9, expected numbers from 0 to 8"),
        ({"unselected_weight_ppm": "x"}, "unselected_weight_ppm: found 'x', expected a whole number from 0 to 2147483647"),
    ],
)
def test_refusals(change: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows without weights or with others', by file, line and key."""
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(ROW | change) + "\n")
    assert main(["trace", "select", str(path), "--top-k", "1", "-o", str(tmp_path / "t.npz")]) == 2
    assert capsys.readouterr().err == f"error: {path}:1: {message}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--top-p", "2"], "--top-p: found 2, expected a number above 0 and up to 1"),
        ([], "found no rule, expected one of --top-k, --top-p and --threshold"),
        (["--top-k", "1", "--weights"], "--weights: found --weights for a trace, expected it with selections (.jsonl): "),
    ],
)
def test_options_are_refused_by_name(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the command line has them."""
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(ROW) + "\n")
    assert main(["trace", "select", str(path), *options, "-o", str(tmp_path / "t.npz")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_the_command_says_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One page of two has half of the attention."""
    path = tmp_path / "t.jsonl"
    path.write_text(json.dumps(ROW) + "\n")
    assert main(["trace", "select", str(path), "--top-k", "1", "-o", str(tmp_path / "t.npz")]) == 0
    out = capsys.readouterr().out
    assert "1 tokens decoded in 1 layers, the last of a sequence of 9" in out
    assert out.splitlines()[-1].split() == ["0", "1.0", "50", "%"]
