"""Names and options of schedulers: what is understood, what is refused and how."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from placement_opt.base.errors import InputError, PlacementError
from placement_opt.cli import main
from placement_opt.instance.instance import Instance
from placement_opt.play.simulate import simulate
from placement_opt.report.schedulers import schedulers_document, schedulers_text
from placement_opt.schedulers import ASKED, REGISTRY, describe, make_scheduler
from placement_opt.schedulers.sa import SA
from tests.budgets import two_copies
from tests.pages import commands, shown
from tests.small import random_instance

NAMES = list(REGISTRY)
#: With those that are asked for by their names alone.
ALL = {**REGISTRY, **ASKED}


def test_names() -> None:
    """Each class carries the name under which it is registered."""
    assert len(set(NAMES)) == len(REGISTRY) >= 10
    assert len(ALL) == len(REGISTRY) + len(ASKED)
    assert [ALL[name].title for name in ALL] == list(ALL)


def test_options_are_typed() -> None:
    """Whole numbers, numbers and words arrive as such; spaces around them do not matter."""
    sa = make_scheduler("sa:window=7, ratio = 0.25,seed=3")
    assert (sa.window, sa.ratio, sa.seed, sa.iterations) == (7, 0.25, 3, 40)
    assert make_scheduler("lru:scope=global").scope == "global"


def test_names_carry_the_options_that_differ() -> None:
    """A scheduler's name is its spec without what is default anyway."""
    assert make_scheduler("lru").name == "lru"
    assert make_scheduler("lru:scope=layer").name == "lru"
    assert make_scheduler("sa:seed=3,window=5").name == "sa:window=5,seed=3"


def test_who_sees_what() -> None:
    """Those that are handed the whole instance say so, and only those."""
    online = {one.name: one.online for one in describe()}
    assert online == {name: not hasattr(policy, "plan") for name, policy in ALL.items()}
    assert (online["lru"], online["belady"]) == (True, False)


def test_descriptions() -> None:
    """Each has a line of text, a source, and options with defaults; exactly these."""
    known = {one.name: one for one in describe()}
    assert list(known) == list(ALL)
    assert all(one.text and one.source for one in known.values())
    assert known["lru"].options[0].choices == ("layer", "global")
    assert [(option.key, option.default) for option in known["sa"].options] == [
        ("window", 0), ("ratio", 0.0), ("iterations", 40), ("temperature", 0.001), ("seed", 0), ("sample", 1000),
    ]  # fmt: skip


def test_descriptions_say_what_options_take() -> None:
    """Type, limits and words as they are checked: the limits are taken, what lies beyond them and other words are not."""
    known = {one.name: one for one in describe()}
    window, ratio = known["sa"].options[:2]
    assert (window.type, window.low, window.high) == ("integer", 0, 1000)
    assert (ratio.type, ratio.low, ratio.high, ratio.default) == ("number", 0.0, 1.0, 0.0)
    assert (known["lru"].options[0].type, known["lru"].options[0].low, known["lru"].options[0].high) == ("text", None, None)
    for one in known.values():
        for option in one.options:
            limits = {option.low: -1, option.high: 1}
            for limit, beyond in limits.items():
                if limit is not None:
                    make_scheduler(f"{one.name}:{option.key}={limit}")
                    with pytest.raises(InputError, match=r"expected (from|at least) "):
                        make_scheduler(f"{one.name}:{option.key}={limit + beyond}")
            if option.choices:
                assert option.default in option.choices
                with pytest.raises(InputError, match="expected one of "):
                    make_scheduler(f"{one.name}:{option.key}=whatever")


def test_descriptions_say_whose_moves_depend_on_ids_and_what_is_needed() -> None:
    """As the classes declare it, for programs and in words."""
    document = {one["name"]: one for one in schedulers_document(describe())["schedulers"]}
    assert (document["page"]["by_position"], document["lru"]["by_position"]) == (True, False)
    assert (document["page"]["family"], document["lru"]["requires"]) == ("paper", ())
    (need,) = document["session"]["requires"]
    assert need == "a trace that says which requests its steps serve (trace derive)"
    text = schedulers_text(describe())
    assert re.search(rf"\n    needs +{re.escape(need)}\n", text)
    assert re.search(r"\n    ratio=0\.0 +.*\(0 to 1\)\n", text)


def test_who_declines_a_plain_instance_says_what_it_needs() -> None:
    """Of all that there are, on a few steps without requests, and on one with a budget."""
    plain = random_instance(np.random.default_rng(3), 2, blocks=5, steps=4)
    assert declining(plain) == {"session"}
    assert declining(two_copies(10)) == {"session", "mpc"}
    assert all(REGISTRY[name].requires for name in ("session", "mpc"))


def declining(instance: Instance) -> set[str]:
    """The schedulers that do not take an instance."""
    found = set()
    for name in NAMES:
        try:
            simulate(instance, make_scheduler(name))
        except InputError:
            found.add(name)
        except PlacementError:
            pass  # budgets that its moves do not keep
    return found


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lur", "scheduler: found scheduler 'lur', did you mean 'lru'?"),
        ("", "scheduler: found scheduler '', expected one of " + ", ".join(ALL)),
        ("lru:scop=global", "lru: found option 'scop', did you mean 'scope'?"),
        ("belady:x=1", "belady: found option 'x', expected none here"),
        ("lru:", "lru: found '', expected key=value"),
        ("lru:global", "lru: found 'global', expected key=value"),
        ("lru:scope=layer,scope=global", "lru: found option 'scope' twice, expected it once"),
        ("lru:scope=everywhere", "lru:scope: found 'everywhere', expected one of layer, global"),
        ("sa:window=two", "sa:window: found 'two', expected a whole number"),
        ("sa:window=2.5", "sa:window: found '2.5', expected a whole number"),
        ("sa:ratio=much", "sa:ratio: found 'much', expected a number"),
        ("sa:ratio=nan", "sa:ratio: found nan, expected from 0.0 to 1.0"),
        ("sa:ratio=1.5", "sa:ratio: found 1.5, expected from 0.0 to 1.0"),
        ("page:blocks=0", "page:blocks: found 0, expected from 1 to 2147483647"),
    ],
)
def test_bad_specs(spec: str, message: str) -> None:
    """Unknown names and options are refused with the nearest known one, bad values with what is expected."""
    with pytest.raises(InputError) as caught:
        make_scheduler(spec)
    assert str(caught.value) == message


def test_options_are_checked_in_python_too() -> None:
    """A value of the wrong type is refused where no text was parsed."""
    with pytest.raises(InputError, match=r"^sa:window: found 2.5, expected int$"):
        SA(window=2.5)


def test_listing_imports_no_solver_and_no_compiler() -> None:
    """Describing all schedulers loads neither numba nor highspy nor networkx."""
    heavy = "{'numba', 'highspy', 'networkx', 'scipy'}"
    code = f"import sys, placement_opt.schedulers as s; s.describe(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_page_shows_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    """What docs/schedulers.md shows of the command comes out; its tables have the keys of the document, all of them."""
    page = (Path(__file__).parents[2] / "docs" / "schedulers.md").read_text()
    ((command, wanted),) = commands(page)
    assert main([command]) == 0
    assert shown(wanted, [line.rstrip() for line in capsys.readouterr().out.splitlines()]) is None
    named = [
        set(re.findall(r"`(\w+)`", cell)) for cell in re.findall(r"^\| ([^|]+) \|", page.split("key of a scheduler")[1], re.M)
    ]
    (one,) = (one for one in schedulers_document(describe())["schedulers"] if one["name"] == "lru")
    keys = {*one, *one["options"][0]} - {"default"}
    assert set().union(*named) == keys
