"""Results as records, HTML tables and short texts; a trace from plain lists."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import placement_opt as po
from placement_opt.answer.answer import answer
from placement_opt.base.limits import Limits
from placement_opt.base.tabular import html_table
from tests.small import fetch_ahead

TINY = Path(__file__).parents[2] / "instances" / "tiny" / "two-free.toml"


def test_every_result_has_records_a_table_and_a_short_text() -> None:
    """All rows of a result have the same keys; the table has as many rows; the text is one line that names what it is."""
    instance = fetch_ahead()
    results = [
        instance,
        instance.trace,
        po.bound(instance, "lp"),
        po.simulate(instance, po.make_scheduler("lru")),
        answer(instance, gap=0.1, limits=Limits(5)),
        po.compare([instance], ["lru", "static"], method="lp"),
        po.sweep(TINY, ["hbm.capacity=8B,9B"], ["lru"]),
        po.sweep(TINY, ["hbm.capacity=8B,9B"], []),
        po.worth(instance, po.bound(instance, "roofline")),
    ]
    for result in results:
        records = result.to_records()
        assert records
        assert len({tuple(record) for record in records}) == 1, result
        assert result._repr_html_().count("<tr>") == 1 + len(records)
        assert repr(result).startswith(type(result).__name__ + "(")
        assert "\n" not in repr(result)
        assert len(repr(result)) < 160


def test_numbers_of_records_are_those_of_the_result() -> None:
    """A comparison's rows hold what its schedules do."""
    found = po.compare([fetch_ahead()], ["lru"], method="lp")
    (row,), (schedule,) = found.to_records(), found.instances[0].schedules
    assert (row["scheduler"], row["latency_s"], row["gap"]) == ("lru", schedule.latency_s, schedule.gap)
    assert row["lower_bound_s"] == pytest.approx(0.0496471485790, rel=1e-9)


def test_a_table_shows_no_markup_of_others() -> None:
    """What a file is called cannot become a part of the page."""
    assert html_table([{"<a>": "<b>", "n": None, "x": 1 / 3}]) == (
        "<table><thead><tr><th>&lt;a&gt;</th><th>n</th><th>x</th></tr></thead>"
        "<tbody><tr><td>&lt;b&gt;</td><td></td><td>0.333333</td></tr></tbody></table>"
    )
    assert html_table([]) == "<table></table>"


def test_a_trace_from_lists() -> None:
    """Ids in any order, births, deaths, sizes, shares as fractions or floats, layers that take turns."""
    trace = po.Trace.from_reads(
        [[1, 0], [0], [2, 0]],
        births=[-1, -1, 1],
        deaths=[3, 1, 3],
        sizes=[4, 4, 8],
        shares=[{0: 0.5}, {}, {2: Fraction(1, 3)}],
        layers=2,
    )
    assert [trace.reads(step).tolist() for step in range(3)] == [[0, 1], [0], [0, 2]]
    assert (trace.birth.tolist(), trace.death.tolist(), trace.size.tolist()) == ([-1, -1, 1], [3, 1, 3], [4, 4, 8])
    assert trace.shares is not None
    assert (trace.shares.tolist(), trace.share_base) == ([3, 6, 6, 6, 2], 6)
    assert trace.step_layer is not None
    assert trace.block_layer is not None
    assert (trace.step_layer.tolist(), trace.block_layer.tolist()) == ([0, 1, 0], [0, 0, 1])
    whole = po.Trace.from_reads([[3], []])
    assert (whole.num_blocks, whole.share_base, whole.shares) == (4, 1, None)
    assert np.array_equal(whole.birth, [-1] * 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reads": [[2**31]]}, "reads.0.: found 2147483648, expected ids from 0 and below 2\\*\\*31"),
        ({"reads": [[5]], "births": [-1]}, "expected ids 0..0"),
        ({"reads": [[0]], "births": [2**31]}, "expected numbers below 2\\*\\*31"),
        ({"reads": [[0]], "shares": [{1: 0.5}]}, "found block 1 at step 0, expected blocks that the step reads"),
        ({"reads": [[0]], "shares": []}, "found 0 steps, expected 1"),
        ({"reads": [[0]], "shares": [{0: 1.5}]}, "found a share of 1.5, expected shares above 0, at most 1"),
        ({"reads": [[0, 1, 2]], "shares": [{0: 1 / 1009, 1: 1 / 1013}]}, "expected at most 65535"),
        ({"reads": []}, "found no steps"),
    ],
)
def test_lists_that_are_no_trace(arguments: dict[str, object], message: str) -> None:
    """Each says what was found and what was expected."""
    with pytest.raises(po.InputError, match=message):
        po.Trace.from_reads(**arguments)  # type: ignore[arg-type]


def test_an_instance_from_python_is_that_of_a_file(tmp_path: Path) -> None:
    """The same keys give the same hash, with memory and trace as objects, by name or by keys; other keys come as in files."""
    trace = po.Trace.from_reads([[0, 1], [1], [0, 2]], births=[-1, -1, 0], sizes=1 << 20)
    po.save_trace(trace, tmp_path / "t.npz")
    (tmp_path / "i.toml").write_text(
        'schema = 1\nname = "x"\n[memory]\npreset = "gh200"\nhbm.capacity = "2 MiB"\n[trace]\nfile = "t.npz"\n'
        '[rules]\nresidency = "free"\nfloor = "5 us"\n[llm]\npreset = "llama-3.1-8b"\nweight_resident = "0 B"\n'
    )
    wanted = po.load_instance(tmp_path / "i.toml").hash
    rules, llm = {"residency": "free", "floor": "5 us"}, {"preset": "llama-3.1-8b", "weight_resident": "0 B"}
    memory = {"preset": "gh200", "hbm.capacity": "2 MiB"}
    assert po.build_instance(memory, trace, llm=llm, rules=rules).hash == wanted
    system = po.load_instance(tmp_path / "i.toml").memory
    assert po.build_instance(system, trace, llm=llm, rules=rules).hash == wanted
    drawn = {"synth": "zipf", "seed": 1, "blocks": 4, "steps": 3, "reads": 2, "block_size": "1 MiB"}
    assert po.build_instance("gh200", drawn).num_steps == 3
    cache = po.build_instance("gh200", trace, rules={"residency": "cache"}, recompute={"rate": "1 GB/s"})
    assert cache.forgets
    assert po.build_instance("gh200", trace, rules={"residency": "cache"}, stores={"far": {"rate": "1 GB/s"}}).forgets


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory": "gh201"}, "mine: memory.preset .override.: found no preset 'gh201'"),
        ({"rules": {"residence": "free"}}, "mine: rules.residence .override.: found .*did you mean 'residency'"),
        ({"llm": {"kv_bytes": 7}}, "mine: llm.kv_bytes .override.: found 7"),
        ({"memory": {"preset": "gh200", "hbm.capacity": "1 KiB"}}, "mine: .*hbm.capacity"),
    ],
)
def test_what_is_wrong_is_laid_at_its_key(arguments: dict[str, object], message: str) -> None:
    """As in files, with the instance's name in place of the file's."""
    given = {"memory": "gh200", "trace": po.Trace.from_reads([[0]], sizes=1 << 20), "name": "mine"} | arguments
    with pytest.raises(po.InputError, match=message):
        po.build_instance(**given)  # type: ignore[arg-type]


def test_both_sides_and_their_proof_from_python(tmp_path: Path) -> None:
    """The public names suffice from question to verified certificate, whatever rooms have been imported."""
    import placement_opt.answer.standing  # noqa: F401
    from placement_opt.answer.prove_integer import certify_prices
    from placement_opt.certify.files import save_prices

    instance = fetch_ahead()
    found = po.answer(instance, gap=0.0, limits=po.Limits(20))
    assert isinstance(found, po.Answer)
    assert found.bound.prices is not None
    save_prices(certify_prices(instance, found.bound.prices), tmp_path / "p")
    verified = po.verify(instance, [tmp_path / "p"])
    assert verified.lower_s == pytest.approx(found.state.prices_s, rel=1e-8)
    assert {"answer", "verify", "bound"} <= set(dir(po))
    assert dir(po) == sorted(dir(po), key=str) == sorted(po.__all__)


def test_pandas_frames() -> None:
    """Where pandas is installed."""
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    frame = po.compare([fetch_ahead()], ["lru", "static"], method="lp").to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["scheduler"].tolist() == ["lru", "static"]
