"""Routes and load tables."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.memory import Link, Tier, build_memory
from placement_opt.memory.routes import MOST_LINKS, MOST_TIERS, memory_graph
from tests.memory.systems import link, random_tree, tier
from tests.small import two_tier


def test_two_tiers_give_the_tables_written_by_hand() -> None:
    """The system of the problem statement's section 7, built from its graph, equals its hand-written tables."""
    expected = two_tier()
    built = build_memory("two", "gpu", expected.tiers, expected.links)
    assert built.resources == expected.resources
    for name in ("rates", "read", "write", "copy"):
        np.testing.assert_array_equal(getattr(built, name), getattr(expected, name))
        assert getattr(built, name).dtype == np.int64


def test_split_rates_make_two_resources_each() -> None:
    """A tier with two rates is two resources, in file order before the links."""
    built = build_memory("m", "gpu", [tier("nvme", "host", 7, 3)], [link("pcie", "host", "gpu", 32, 16)])
    assert built.resources == ("nvme.read", "nvme.write", "pcie.up", "pcie.down")
    assert built.rates.tolist() == [7, 3, 32, 16]
    assert built.read.tolist() == [[1, 0, 1, 0]]
    assert built.write.tolist() == [[0, 1, 0, 1]]


def test_copy_need_not_pass_the_processor() -> None:
    """A copy between two tiers of the host loads neither the processor's link nor passes the processor."""
    tiers = [tier("hbm", "gpu"), tier("dram", "host"), tier("nvme", "drive", 7, 3)]
    built = build_memory("m", "gpu", tiers, [link("pcie", "host", "gpu", 32, 32), link("x4", "drive", "host", 8, 8)])
    assert built.routes["copy nvme->dram"] == ("nvme", "drive", "host", "dram")
    loads = dict(zip(built.resources, built.copy[2, 1].tolist(), strict=True))
    assert {name for name, load in loads.items() if load} == {"nvme.read", "x4.up", "dram"}
    assert built.routes["copy nvme->hbm"] == ("nvme", "drive", "host", "gpu", "hbm")


def test_copy_at_one_node_loads_the_two_tiers_only() -> None:
    """Two tiers that hang on one node copy through it without any link."""
    built = build_memory("m", "gpu", [tier("a", "gpu"), tier("b", "gpu")], [])
    assert built.copy[0, 1].tolist() == [1, 1]
    assert built.routes["copy a->b"] == ("a", "gpu", "b")


def test_direction_of_a_link_follows_from_and_to() -> None:
    """up is from -> to, whichever end is nearer to the processor."""
    built = build_memory("m", "gpu", [tier("dram", "host")], [link("pcie", "gpu", "host", 5, 9)])
    assert built.routes["read dram"] == ("dram", "host", "gpu")
    assert built.read.tolist() == [[1, 0, 1]]
    assert built.write.tolist() == [[1, 1, 0]]


def test_shortest_route_wins_over_an_earlier_longer_one() -> None:
    """Hops decide before file order does."""
    links = [link("a", "host", "mid"), link("b", "mid", "gpu"), link("direct", "host", "gpu")]
    built = build_memory("m", "gpu", [tier("dram", "host")], links)
    assert built.routes["read dram"] == ("dram", "host", "gpu")


def test_equal_routes_take_the_first_link_of_the_file_both_ways() -> None:
    """A diamond has two routes of equal length: reads, writes and copies take the one whose link comes first, both ways."""
    right = [link("r1", "host", "right", 5, 5), link("r2", "right", "gpu", 5, 5)]
    left = [link("l1", "host", "left", 5, 5), link("l2", "left", "gpu", 5, 5)]
    tiers = [tier("hbm", "gpu"), tier("dram", "host")]
    for links, middle in ((right + left, "right"), (left + right, "left")):
        built = build_memory("m", "gpu", tiers, links)
        assert built.routes["read dram"] == ("dram", "host", middle, "gpu")
        assert built.routes["write dram"] == ("gpu", middle, "host", "dram")
        assert built.routes["copy dram->hbm"] == ("dram", "host", middle, "gpu", "hbm")
        assert built.routes["copy hbm->dram"] == ("hbm", "gpu", middle, "host", "dram")


def test_efficiency_scales_exactly_and_rounds_down() -> None:
    """Nine tenths of 11 B/s are 9 B/s; a third of 3 B/s is 1 B/s, neither more nor less."""
    slow = dataclasses.replace(tier("hbm", "gpu", 11), efficiency=Fraction(9, 10))
    third = dataclasses.replace(link("pcie", "host", "gpu", 3, 300), efficiency=Fraction(1, 3))
    built = build_memory("m", "gpu", [slow], [third])
    assert built.rates.tolist() == [9, 1, 100]


def test_graph_has_both_ways_of_everything() -> None:
    """Every edge has its way back, with the resource of its direction."""
    graph = memory_graph([tier("nvme", "host", 7, 3)], [link("pcie", "host", "gpu")])
    assert {(a, b): data["resource"] for a, b, data in graph.edges(data=True)} == {
        ("nvme", "host"): "nvme.read",
        ("host", "nvme"): "nvme.write",
        ("host", "gpu"): "pcie",
        ("gpu", "host"): "pcie",
    }


@settings(derandomize=True, deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), tiers=st.integers(1, 5))
def test_on_trees_a_copy_loads_no_more_than_read_and_write(seed: int, tiers: int) -> None:
    """On a tree, copy(j->k) loads no resource more than read(j) plus write(k); every operation loads its tier."""
    memory = random_tree(np.random.default_rng(seed), tiers)
    bound = memory.read[:, None, :] + memory.write[None, :, :]
    assert (memory.copy <= bound).all()
    for k, item in enumerate(memory.tiers):
        out, into = (item.name, item.name) if item.shared else (f"{item.name}.read", f"{item.name}.write")
        assert memory.read[k, memory.resources.index(out)] == 1
        assert memory.write[k, memory.resources.index(into)] == 1
        assert not memory.copy[k, k].any()


BAD = [
    ({"tiers": []}, "tiers: found no tier, expected at least one"),
    ({"tiers": [tier(f"t{i}", "gpu") for i in range(MOST_TIERS + 1)]}, "tiers: found 17 tiers, expected at most 16"),
    (
        {"links": [link(f"l{i}", f"n{i}", "gpu") for i in range(MOST_LINKS + 1)]},
        "links: found 65 links, expected at most 64",
    ),
    ({"processor": "g p u"}, "processor: found the name 'g p u', expected a letter, then at most 39 letters, digits, - or _"),
    ({"tiers": [tier("a.b", "gpu")]}, "tiers.a.b: found the name 'a.b', expected a letter"),
    ({"tiers": [tier("hbm", "")]}, "tiers.hbm.at: found the name '', expected a letter"),
    ({"links": [link("pcie", "9", "gpu")]}, "links.pcie.from: found the name '9', expected a letter"),
    ({"links": [link("pcie", "gpu", "9")]}, "links.pcie.to: found the name '9', expected a letter"),
    ({"tiers": [tier("file", "gpu")]}, "tiers.file: found the name 'file', expected another name: it is a key of instances"),
    (
        {"tiers": [tier("x", "gpu")], "links": [link("x", "host", "gpu")]},
        "links.x: found the name 'x' twice, here and in tiers, expected two names",
    ),
    ({"tiers": [tier("a", "gpu", capacity=-1)]}, "tiers.a.capacity: found -1 B, expected no negative size"),
    ({"tiers": [tier("a", "gpu", 0)]}, "tiers.a.rate: found 0 B/s at an efficiency of 1, expected at least 1 B/s"),
    ({"tiers": [tier("a", "gpu", 5, 0)]}, "tiers.a.write_rate: found 0 B/s at an efficiency of 1, expected at least 1 B/s"),
    ({"links": [link("l", "host", "gpu", 5, 0)]}, "links.l.down.rate: found 0 B/s at an efficiency of 1, expected at least"),
    (
        {"tiers": [Tier("a", 1, "gpu", 5, 6, True)]},
        "tiers.a.rate: found 5 and 6 for one shared rate, expected equal rates",
    ),
    (
        {"links": [Link("l", "host", "gpu", 5, 5, True, Fraction(0))]},
        "links.l.efficiency: found 0, expected a number above 0, at most 1",
    ),
    (
        {"tiers": [Tier("a", 1, "gpu", 5, 5, True, Fraction(3, 2))]},
        "tiers.a.efficiency: found 3/2, expected a number above 0, at most 1",
    ),
    (
        {"tiers": [Tier("a", 1, "gpu", 5, 5, True, Fraction(1, 10))]},
        "tiers.a.rate: found 5 B/s at an efficiency of 0.1, expected at least 1 B/s",
    ),
    (
        {"links": [link("l", "hbm", "gpu")]},
        "links.l.from: found 'hbm', which is a tier, expected the node that the tier hangs on (tiers.hbm.at)",
    ),
    ({"processor": "hbm"}, "processor: found 'hbm', which is a tier, expected the node"),
    ({"tiers": [tier("hbm", "hbm")]}, "tiers.hbm.at: found 'hbm', which is a tier, expected the node"),
    ({"links": [link("l", "gpu", "gpu")]}, "links.l.to: found a link from 'gpu' to itself, expected two nodes"),
    (
        {"links": [link("l", "host", "gpu"), link("m", "gpu", "host")]},
        "links.m: found a second link between 'gpu' and 'host', beside 'l', expected one link with the sum of their rates",
    ),
    ({"processor": "gpuu"}, "processor: found 'gpuu', where no tier hangs and no link ends, did you mean 'gpu'?"),
    (
        {"tiers": [tier("hbm", "gpu"), tier("dram", "hots")], "links": [link("l", "host", "gpu")]},
        "tiers.dram.at: found 'hots', from which no link leads to 'gpu', did you mean 'host'?",
    ),
    (
        {"links": [link("l", "x", "y")]},
        "links.l.from: found 'x' and 'y', from which no link leads to 'gpu', expected one of gpu",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message.split(",")[0] for _, message in BAD])
def test_nonsense_is_refused(change: dict[str, object], message: str) -> None:
    """A good system with one thing broken is refused, naming the thing."""
    good: dict[str, object] = {"processor": "gpu", "tiers": [tier("hbm", "gpu")], "links": []}
    with pytest.raises(InputError) as caught:
        build_memory("m", **(good | change))  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)
