"""Fits beside their traces: the right generator is the most alike, chance is no difference, nothing private is written."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from placement_opt.base.errors import InputError
from placement_opt.base.limits import Limits
from placement_opt.base.room import NoRoom
from placement_opt.cli import main
from placement_opt.instance.load import load_instance
from placement_opt.study.fit import asked_of, fit_trace
from placement_opt.workload.files.npz import save_trace
from placement_opt.workload.fit.likeness import ALIKE, Aspect, apart, likeness, score, with_chance
from placement_opt.workload.profile.distribution import Octaves
from placement_opt.workload.stats import describe_trace
from placement_opt.workload.synth import synthesize
from placement_opt.workload.trace import Trace
from tests.small import make_trace
from tests.workload.traces import DATA, REAL, needs_data

QUESTION = """schema = 1
name = "any"
memory = { preset = "gh200", hbm.capacity = "20%" }
llm = { layers = 2, kv_bytes = "16 KiB" }
trace = { synth = "drift", seed = 1, layers = 2, prefill = 9, tokens = 2 }
"""


def drift(seed: int = 5) -> Trace:
    return synthesize("drift", {"layers": 2, "prefill": 80, "tokens": 20, "drift": 0.2}, seed)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("drift", {"layers": 2, "prefill": 200, "tokens": 40, "drift": 0.2, "read_share": 0.3}),
        ("zipf", {"blocks": 600, "steps": 60, "reads": 80, "exponent": 0.9}),
        (
            "requests",
            {"requests": 800, "turns": 2.0, "prompt": 2000, "think": "20 s", "prompt_spread": 0.6, "question_spread": 0.8},
        ),
    ],
)
def test_a_trace_is_most_like_the_fit_of_its_own_generator(name: str, parameters: dict[str, object]) -> None:
    """Of all fits that there are, and no farther from it than chance; a draw at another seed is compared."""
    found = fit_trace(synthesize(name, parameters, 11))
    assert found.best.generator == name
    assert found.best.apart == []
    assert all(fit.score > 2 * found.best.score for fit in found.fits[1:])
    assert {fit.generator for fit in found.fits} | set(found.declined) == {"drift", "zipf", "requests"}


def test_what_no_generator_draws_is_said_not_to_be_like_any() -> None:
    """Two halves that read other blocks: no Zipf law and no steady drift."""
    trace = make_trace([[*range(30)]] * 20 + [[*range(30, 90)]] * 20, [-1] * 90)
    found = fit_trace(trace)
    assert found.best.apart
    assert all(each.distance > ALIKE for each in found.best.apart)


def test_a_fit_that_was_asked_for_and_cannot_be_is_refused() -> None:
    """With the generator's reason; and where all of them decline."""
    for generator in ("requests", None):
        with pytest.raises(InputError) as found:
            fit_trace(make_trace([[]], [-1]) if generator is None else drift(), generator)
        assert "expected a trace that a generator can have drawn" in str(found.value)


def test_a_fit_that_cannot_be_drawn_is_not_begun() -> None:
    """The memory that drawing takes is asked for first."""
    with pytest.raises(NoRoom):
        fit_trace(drift(), "drift", limits=Limits(memory=1 << 20))


def test_distances_by_hand() -> None:
    """Equal traces are 0 apart in everything; the sides of unequal ones are what their definitions give."""
    one, other = (
        describe_trace(make_trace(reads, [-1] * 4)) for reads in ([[0, 1], [0, 1], [0, 1], [0, 1]], [[0], [1], [0], [1]])
    )
    assert {each.distance for each in likeness(one, one)} == {0.0}
    found = {each.name: each for each in likeness(one, other)}
    assert found["reads of a step"].distance == 0.5
    assert found["overlap"].distance == 1.0  # all kept, nothing kept
    assert (found["time between reads"].distance, found["time between reads"].octaves) == (1.0, 1.0)  # 1 step, 2 steps
    assert found["hits at most"].distance == pytest.approx(6 / 8 - 2 / 4)
    assert found["working set"].distance == pytest.approx((0.5 + (2 - 7 / 4) / 2 + (2 - 7 / 4) / 2) / 3)
    assert score(list(found.values())) == pytest.approx(sum(each.distance for each in found.values()) / len(found))
    assert found["reuse distance"].one == 3.0  # the middle of two to three blocks
    assert Octaves([], []).shares(1).tolist() == [0.0]


def test_chance_excuses_what_is_no_larger() -> None:
    """A side is far where it is beyond both the threshold and the most that draws differ by."""
    sides = [Aspect(name, None, None, "share", distance) for name, distance in (("a", 0.1), ("b", 0.3), ("c", 0.5))]
    assert [each.name for each in apart(sides)] == ["c", "b"]
    draws = [[Aspect("", None, None, "share", chance) for chance in row] for row in ((0.0, 0.35, 0.2), (0.0, 0.1, 0.4))]
    known = with_chance(sides, draws)
    assert [each.by_chance for each in known] == [0.0, 0.35, 0.4]
    assert [each.name for each in apart(known)] == ["c"]


def test_the_table_is_one_that_instances_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is; it holds parameters and nothing of the trace's source."""
    trace = replace(drift(), meta={"file": "secret-name.jsonl", "first_ms": 123456789})
    save_trace(trace, tmp_path / "t.npz")
    assert main(["trace", "fit", str(tmp_path / "t.npz"), "-o", str(tmp_path / "fit.toml")]) == 0
    said, written = capsys.readouterr().out, (tmp_path / "fit.toml").read_text()
    assert "secret" not in said + written
    assert "123456789" not in said + written
    assert tomllib.loads(written)["trace"] == {
        "synth": "drift",
        "seed": 0,
        "layers": 2,
        "prefill": 80,
        "tokens": 20,
        "read_share": 0.4,
        "drift": 0.2,
        "window": 1,
        "leave": "oldest",
    }
    head = QUESTION[: QUESTION.index("trace =")]
    (tmp_path / "q.toml").write_text(head + written)
    assert load_instance(tmp_path / "q.toml").num_steps == trace.num_steps


def test_both_are_asked_the_same_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bound, lru and verdict of the trace and of its fit, in JSON and in words; the file's own trace plays no part."""
    (tmp_path / "q.toml").write_text(QUESTION)
    save_trace(drift(), tmp_path / "t.npz")
    assert asked_of(tmp_path / "q.toml", drift(), "here", Limits()).num_steps == 40
    argv = ["trace", "fit", str(tmp_path / "t.npz"), "--generator", "drift", "--instance", str(tmp_path / "q.toml")]
    assert main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document)[:4] == ["schema", "generator", "parameters", "seed"]
    assert (document["alike"], document["alike_within"], document["declined"]) == (True, ALIKE, [])
    one, other = document["asked"]
    assert (one["instance"], other["instance"]) == ("the trace", "its fit, drift")
    for asked in (one, other):
        assert asked["roofline_s"] <= asked["lower_bound_s"] <= asked["lru_s"]
        assert asked["gap"] == pytest.approx(asked["lru_s"] / asked["lower_bound_s"] - 1)
    assert other["lower_bound_s"] == pytest.approx(one["lower_bound_s"], rel=0.1)
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert "question about" in text
    assert "its fit, drift" in text


def test_an_instance_is_fitted_with_its_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A block's size in bytes follows from the model; a trace alone is taken for bytes, which is said."""
    text = QUESTION.replace("prefill = 9, tokens = 2", "prefill = 60, tokens = 8, leave = 'random'")
    (tmp_path / "q.toml").write_text(text)
    assert main(["trace", "fit", str(tmp_path / "q.toml"), "--generator", "zipf", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["parameters"]["block_size"] == "16384 B"
    assert not any("as many bytes" in text for text in document["lost"])
    save_trace(load_instance(tmp_path / "q.toml").trace, tmp_path / "t.npz")
    assert main(["trace", "fit", str(tmp_path / "t.npz"), "--generator", "zipf"]) == 0
    out = capsys.readouterr().out
    assert "a block is as many bytes as it has token-layers" in out
    assert "does not look like what zipf draws" in out
    assert "What is proven of the fit is proven of the fit" in " ".join(out.split())


def test_mistakes_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A generator without a fit; an output that is an input."""
    save_trace(drift(), tmp_path / "t.npz")
    assert main(["trace", "fit", str(tmp_path / "t.npz"), "--generator", "decode"]) == 2
    assert "found 'decode', expected one of drift, zipf, requests" in capsys.readouterr().err
    assert main(["trace", "fit", str(tmp_path / "t.npz"), "-o", str(tmp_path / "t.npz")]) == 2
    assert "-o" in capsys.readouterr().err
    save_trace(make_trace([[]], [-1]), tmp_path / "none.npz")
    assert main(["trace", "fit", str(tmp_path / "none.npz"), "-o", str(tmp_path / "no.toml")]) == 2
    assert not (tmp_path / "no.toml").exists()


@needs_data
def test_real_requests_are_like_their_fit_and_a_session_of_an_agent_is_not() -> None:
    """The first 1,500 of Mooncake's conversations; one session, whose every request repeats the whole of the one before."""
    from placement_opt.workload.formats.detect import read_any

    found = fit_trace(read_any(REAL, limit=1500), "requests")
    assert found.best.apart == []
    session = fit_trace(read_any(DATA.parent / "agentic" / "trace_0732.json"))
    assert "overlap" in [each.name for each in session.best.apart]
