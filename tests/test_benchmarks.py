"""Benchmarks stay alive: every case builds and runs at its smallest size, the published table is that of the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.machine import machine, versions
from benchmarks.plot import picture, points
from benchmarks.registry import Spec, Target, all_specs, register
from benchmarks.run import ROOT, main, run_alone, run_case
from benchmarks.table import TABLE, load_results, render


@pytest.mark.parametrize("name", sorted(all_specs()))
def test_case_builds_and_runs_at_its_smallest_size(name):
    """Every phase returns its figures and every target names one of them; nothing is timed against a limit."""
    spec = all_specs()[name]
    if missing := spec.missing(ROOT):
        pytest.skip(f"needs the folder {missing[0]}")
    result = run_case(spec, spec.sizes[0])
    assert {f"{phase}_s" for phase in spec.phases} < set(result["figures"])
    assert [target["figure"] for target in result["targets"]] == [target.figure for target in spec.targets]


def _spec(**changes):
    fields = {
        "name": "some-case",
        "about": "",
        "build": lambda size: {"n": size},
        "phases": {"p": dict},
        "sizes": (1, 2),
    }
    return Spec(**(fields | changes))


def test_a_second_case_of_the_same_name_is_refused():
    """Two cases would write one result file."""
    with pytest.raises(ValueError, match="benchmark 'drift-88k' is registered twice"):
        register(_spec(name=next(name for name in all_specs() if name == "drift-88k")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Some Case"}, "expected lower case words joined by hyphens"),
        ({"phases": {}}, "expected at least one phase"),
        ({"sizes": (3, 2)}, "expected different ones in ascending order"),
        ({"sizes": ()}, "expected different ones in ascending order"),
        ({"targets": (Target("p_s", "about", 1.0),)}, "found sense 'about', expected 'at least' or 'at most'"),
    ],
)
def test_malformed_cases_are_refused(changes, message):
    """A case says what is wrong with it when it is made."""
    with pytest.raises(ValueError, match=message):
        _spec(**changes)


def test_targets_are_met_from_the_right_side():
    """At least means not below, at most means not above."""
    assert Target("x", "at least", 2.0).met(2.0)
    assert not Target("x", "at least", 2.0).met(1.9)
    assert Target("x", "at most", 2.0).met(2.0)
    assert not Target("x", "at most", 2.0).met(2.1)


def test_unknown_names_are_refused(capsys):
    """The runner names what it does not know, and what it does."""
    assert main(["nonsense"]) == 2
    assert "error: found no benchmark 'nonsense', expected one of " in capsys.readouterr().err


def test_results_say_what_they_were_measured_with_and_nothing_private():
    """Versions and machine hold no host name, user or folder."""
    import getpass
    import platform

    text = str(versions()) + str(machine())
    assert "numpy" in text
    assert platform.node() not in text
    assert str(Path.home()) not in text
    assert f"'{getpass.getuser()}'" not in text


def test_the_table_is_that_of_the_result_files():
    """``RESULTS.md`` is generated, never typed; every result belongs to a case that still exists."""
    results = load_results()
    assert TABLE.read_text(encoding="utf-8") == render(results)
    assert {result["case"] for result in results} <= set(all_specs())


def test_the_table_shows_figures_and_targets():
    """A result becomes a section with a row per figure, thousands separated, targets beside their figure."""
    result = {
        "case": "some-case",
        "about": "About.",
        "size": 1000,
        "figures": {"p_s": 0.123456, "reads": 87760, "method": "lp"},
        "targets": [{"figure": "p_s", "expected": "at most 1", "met": True}],
        "versions": {"python": "3.11"},
        "machine": {"processor": "P", "cores": 2, "memory_gib": 8, "system": "Linux"},
    }
    text = render([result])
    assert "| p_s | 0.12346 | at most 1: met |" in text
    assert "| reads | 87,760 |  |" in text
    assert "| method | lp |  |" in text
    assert "Size 1,000; python 3.11; P, 2 cores, 8 GiB, Linux." in text


def test_a_case_runs_alone_as_it_does_here():
    """In a process of its own a case gives the same figures, times apart."""
    here, alone = (run("build-lp", 3)["figures"] for run in (lambda name, size: run_case(all_specs()[name], size), run_alone))
    assert {key: value for key, value in here.items() if not key.endswith("_s")} == {
        key: value for key, value in alone.items() if not key.endswith("_s")
    }


def test_the_growth_picture_has_a_panel_for_each_axis():
    """Points are read back from the figures in order; the same figures give the same picture, with exponents."""
    pytest.importorskip("matplotlib")
    figures = {f"compact, {axis} {value}, seconds": value / 7 for axis in ("reads", "tiers") for value in (40000, 3, 2)}
    figures |= {"compact, exponent in reads": 1.0, "compact, exponent in tiers": 2.25, "measure_s": 3.0}
    assert points(figures)["tiers"] == {"compact": [(2, 2 / 7), (3, 3 / 7), (40000, 40000 / 7)]}
    text = picture(figures)
    assert text == picture(figures)
    assert "compact: 2.25" in text
    assert "40k" in text
