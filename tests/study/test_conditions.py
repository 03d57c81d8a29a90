"""Conditions on what a comparison found, and how pipelines are told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from placement_opt.answer.prove import Proof
from placement_opt.base.errors import InputError
from placement_opt.bounds.result import Bound, Status
from placement_opt.cli import main
from placement_opt.play.hits import Ceiling, Hits, Part
from placement_opt.report.pipelines import github_annotations, junit_xml
from placement_opt.study.comparison import Comparison
from placement_opt.study.conditions import check_all, exit_code, read_condition
from placement_opt.study.scheduled import Compared, Outcome, Scheduled, held_against
from tests.cli.cases import write_drift

NAMES = ("lru", "s3-fifo", "2q", "lru:scope=global", "static")


def compared() -> Compared:
    """Bound 1 s, best known 1.1 s: lru is 0.2/1.1 to 0.2 + 0.1 above the optimum; static was refused."""
    proof = Proof("case", "ab" * 32, Bound("lp", Status.OPTIMAL, 1.0, 0.5, ""), 0.5, 0.5, 10, "tokens", 10.0)
    hits = Hits(("hbm", "lpddr", "nowhere"), 0, (Part(None, "first", (3, 1, 0), (3.0, 1.0, 0.0)),), Ceiling(1.0, 1.0, 1.0, 1.0))
    rows = [
        Scheduled(name, Outcome.TIMED, latency_s=at, hits=hits)
        for name, at in (("lru", 1.3), ("s3-fifo", 1.1), ("2q", 2.6), ("lru:scope=global", 1.2))
    ]
    return held_against(proof, [*rows, Scheduled("static", Outcome.REFUSED, "not made for it")])


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("gap(lru) > 0.15", True),  # 0.18 to 0.3
        ("gap(lru) > 0.31", False),
        ("gap(lru) > 0.2", None),
        ("gap(lru) >= 0.1 and gap(lru) > 0.2", None),
        ("gap(lru) > 0.2 and gap(lru) > 0.4", False),
        ("gap(lru) > 0.2 or 1 < 2", True),
        ("not gap(lru) > 0.2", None),
        ("not gap(lru) > 0.31", True),
        ("0.1 < gap(lru) < 0.31", True),
        ("latency(lru) <= 1.3", True),
        ("hit_rate(lru) < 0.75", False),
        ("ratio('2q', lru) > 1.9", True),
        ("gap(s3-fifo) < 0.2", True),
        ('latency("lru:scope=global") < latency(lru)', True),
        ("latency(static) > 1", None),
        ("latency(static) > 1 or latency(lru) > 1", True),
        ("best > bound", True),
        ("bound > -1e3", True),
    ],
)
def test_what_is_known_decides(text: str, holds: bool | None) -> None:
    """An interval holds where all of it does; what is not known gives no verdict, and one known part may be enough."""
    assert read_condition(text, NAMES).check(compared()).holds is holds


def test_what_is_not_known_is_said() -> None:
    """With the interval that is too wide, or why there is no value at all."""
    assert read_condition("gap(lru) > 0.2", NAMES).check(compared()).why == "gap(lru) = 0.181818 to 0.3"
    why = read_condition("latency(static) > 1", NAMES).check(compared()).why
    assert why == "latency(static) is not known: static was not timed (refused)"
    bare = replace(compared(), proof=replace(compared().proof, bound=Bound("lp", Status.NONE, None, 0.5, "")))
    assert read_condition("bound > 1", NAMES).check(bare).why == "bound is not known"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found '', expected comparisons of gap(NAME)"),
        ("gap(lru)", "found 'gap(lru)', which is true or false of nothing, expected comparisons"),
        ("gap(lru) == 1", "found 'gap(lru) == 1', expected one of < <= > >="),
        ("gap(lur) > 1", "found scheduler 'lur', expected one of lru, s3-fifo"),
        ("gap(2q) > 1", "(names that are no words in quotes)"),
        ("gap() > 1", "found 'gap()', expected 1 scheduler"),
        ("ratio(lru) > 1", "found 'ratio(lru)', expected 2 schedulers"),
        ("gap(lru, x=1) > 1", "found 'gap(lru, x=1)', expected 1 scheduler"),
        ("gap(lru + 1) > 1", "found 'lru + 1', expected a scheduler's name"),
        ("__import__('os') > 1", "found \"__import__('os')\", expected comparisons"),
        ("lru.x > 1", "found 'lru.x', expected comparisons"),
        ("gap(lru) + 1 > 1", "found 'gap(lru) + 1', expected comparisons"),
        ("gap(lru) > True", "found 'True', expected comparisons"),
        ("gap(lru) > 1e999", "found '1e999', expected comparisons"),
        ("not " * 60 + "1 < 2", "found a condition of more than 50 levels"),
    ],
)
def test_what_is_no_condition_is_refused(text: str, message: str) -> None:
    """Before anything is computed, with what was found and what would do; nothing is ever run."""
    with pytest.raises(InputError) as error:
        read_condition(text, NAMES)
    assert str(error.value).startswith("--fail-if: ")
    assert message in str(error.value)


def test_codes_of_a_pipeline() -> None:
    """1 where one holds, 3 where one is unknown, else that of the comparison; a stop stays a stop."""
    yes, no, unknown = (
        read_condition(text, NAMES).check(compared()) for text in ("gap(lru) > 0.15", "gap(lru) > 1", "gap(lru) > 0.2")
    )
    assert [exit_code(0, each) for each in ([], [no], [no, unknown], [unknown, yes])] == [0, 0, 3, 1]
    assert [exit_code(code, [yes]) for code in (2, 3, 130)] == [1, 1, 130]
    assert [exit_code(code, [unknown]) for code in (1, 2, 3, 130)] == [1, 2, 3, 130]


def test_junit_has_every_scheduler_and_condition() -> None:
    """Failures, errors and what was skipped are counted; what XML cannot write is replaced."""
    one = compared()
    one = replace(one, proof=replace(one.proof, instance="a\x01<b>"))
    conditions = [read_condition(text, NAMES) for text in ("gap(lru) > 0.15", "gap(lru) > 0.2", "gap(lru) > 1")]
    found = Comparison((one,))
    root = ElementTree.fromstring(junit_xml(found, check_all(conditions, found.instances)).split("\n", 1)[1])
    (suite,) = root
    assert suite.attrib["name"] == "a?<b>"
    assert [suite.attrib[key] for key in ("tests", "failures", "errors", "skipped")] == ["8", "1", "1", "1"]
    said = {case.attrib["name"]: [(each.tag, each.attrib["message"]) for each in case] for case in suite}
    assert said["static"] == [("skipped", "refused: not made for it")]
    assert said["gap(lru) > 0.15"] == [("failure", "gap(lru) = 0.181818 to 0.3")]
    assert said["gap(lru) > 0.2"] == [("error", "no verdict: gap(lru) = 0.181818 to 0.3")]
    assert said["gap(lru) > 1"] == said["lru"] == []


def test_annotations_are_escaped() -> None:
    """Of the instance's file; what holds is an error, what is unknown a warning, an impossible schedule an error, too."""
    rows = tuple(replace(row, outcome=Outcome.ILLEGAL, note="50 %\nmore") for row in compared().schedules[:1])
    found = Comparison((replace(compared(), schedules=rows),))
    checked = check_all([read_condition(text, NAMES) for text in ("gap(lru) > 0.15", "gap(lru) > 0.2")], found.instances)
    assert github_annotations(found, checked, ["a,b:c.toml"]) == [
        "::error file=a%2Cb%3Ac.toml,title=case%3A lru::illegal: 50 %25%0Amore",
        "::error file=a%2Cb%3Ac.toml,title=case%3A gap(lru) > 0.15::gap(lru) = 0.181818 to 0.3",
        "::warning file=a%2Cb%3Ac.toml,title=case%3A gap(lru) > 0.2::no verdict: gap(lru) = 0.181818 to 0.3",
    ]


def test_the_command_ends_by_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One document on stdout, everything else on stderr and in files; without a terminal ``--follow`` has lines."""
    file, junit = str(write_drift(tmp_path)), tmp_path / "out.xml"
    asked = ["compare", file, "--schedulers", "lru,static", "--method", "step", "--json"]
    assert main([*asked, "--fail-if", "ratio(lru, static) > 0", "--junit", str(junit), "--follow"]) == 1
    done = capsys.readouterr()
    (condition,) = json.loads(done.out)["conditions"]
    assert condition["holds"] is True
    assert "drift: ratio(lru, static) > 0: it holds: ratio(lru, static) = " in done.err
    assert "[1/3] drift.toml: lru" in done.err
    assert len(ElementTree.parse(junit).findall("testsuite/testcase")) == 3
    assert main([*asked, "--fail-if", "hit_rate(lru) < 0", "--annotations", "github"]) == 0
    assert capsys.readouterr().err == ""
    assert main([*asked, "--fail-if", "gap(sa) < 0"]) == 2
    assert "--fail-if: found scheduler 'sa'" in capsys.readouterr().err
