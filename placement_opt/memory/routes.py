"""From tiers and links to the table operation -> resource -> bytes: routes on a directed graph.

The graph has one node for the processor, one for every place that a link or a tier names (switches, hosts, memory nodes) and
one for every tier. A tier is joined to its place by two edges, out of it when it is read and into it when it is written; a
link is two edges, one for each way. Every edge loads one resource. An operation is a route, and loads once each resource on it:

    read(k)      tier k -> processor
    write(k)     processor -> tier k
    copy(j->k)   tier j -> tier k, which need not pass the processor

Routes are shortest by number of edges. Where several are equally short, the route is walked from the processor's side (for
a copy, from the tier that stands first in the file) and takes at every node the link that stands first in the file among those
that lead nearer; the way back is the same way. Problem statement, section 1 (``c_op,r``).

What loads more than routes do, or less, is added in :mod:`placement_opt.memory.devices`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.errors import InputError, shown
from placement_opt.base.toml import nearest
from placement_opt.memory.devices import Routed, slowed, tables
from placement_opt.memory.energy import meters_of
from placement_opt.memory.engines import MOST_ENGINES, check_engines
from placement_opt.memory.system import Engine, Link, MemorySystem, Outside, Tier

if TYPE_CHECKING:
    import networkx as nx

#: More than these are refused: tables grow with tiers * tiers * resources, and bounds with the sets of tiers.
MOST_TIERS = 16
MOST_LINKS = 64
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
#: Keys of an instance's memory table, where tiers and links are overridden by name.
RESERVED_NAMES = ("preset", "file")


def build_memory(
    name: str,
    processor: str,
    tiers: Sequence[Tier],
    links: Sequence[Link],
    outside: Sequence[Outside] = (),
    engines: Sequence[Engine] = (),
) -> MemorySystem:
    """Resolve tiers and links into a memory system.

    Parameters
    ----------
    name
        Label of the system.
    processor
        The node where reads end and writes begin.
    tiers, links
        In the order of the file, which is the order of resources: those of the tiers, then those of the links.
    outside
        Where blocks without a copy come from.
    engines
        What the traffic of some of them passes besides.

    Returns
    -------
    MemorySystem
        With rates in bytes/s, efficiency applied and rounded down.

    Raises
    ------
    InputError
        Names or rates out of range, two things of one name, parallel links, a tier or link that no link joins to the processor.
    """
    tiers, links, outside, engines = tuple(tiers), tuple(links), tuple(outside), tuple(engines)
    _check_names(processor, tiers, links, engines)
    check_engines(engines, tiers, links)
    _check_outside(tiers, links, engines, outside)
    resources, rates = _resources(tiers, links)
    graph = memory_graph(tiers, links)
    _check_connected(graph, processor, tiers, links)
    index = {resource: r for r, resource in enumerate(resources)}
    paths = _Routes(graph, processor, tiers, index)
    count = len(tiers)
    read = np.array([paths.load(paths.read(k)) for k in range(count)])
    write = np.array([paths.load(paths.write(k)) for k in range(count)])
    copy = np.zeros((count, count, len(resources)), dtype=np.int64)
    routes: dict[str, tuple[str, ...]] = {}
    for k, tier in enumerate(tiers):
        routes[f"read {tier.name}"] = tuple(paths.read(k))
        routes[f"write {tier.name}"] = tuple(paths.write(k))
    for j in range(count):
        for k in range(count):
            if j != k:
                copy[j, k] = paths.load(paths.copy(j, k))
                routes[f"copy {tiers[j].name}->{tiers[k].name}"] = tuple(paths.copy(j, k))
    own = tuple(index[graph[tier.name][tier.at]["resource"]] for tier in tiers)
    for k, tier in enumerate(tiers):
        for way in () if tier.compute is None else tier.compute.ways:
            routes[f"{way.verb} {tier.name}"] = tuple(paths.read(k))
    found = tables(Routed(resources, rates, read, write, copy, own), tiers, outside, engines)
    counted = meters_of(tiers, links, outside, engines, found.operations, routes)
    return MemorySystem(
        name=name,
        processor=processor,
        tiers=tiers,
        links=links,
        resources=found.resources,
        rates=found.rates,
        operations=found.operations,
        routes=routes,
        outside=outside,
        engines=engines,
        units=found.units,
        scale=found.scale,
        counted=counted,
    )


def memory_graph(tiers: Sequence[Tier], links: Sequence[Link]) -> nx.DiGraph[Any]:
    """The directed graph: nodes are names, edges carry ``resource`` and ``order`` (their place in the file)."""
    import networkx as nx

    graph: nx.DiGraph[Any] = nx.DiGraph()
    for order, tier in enumerate(tiers):
        out, into = (tier.name, tier.name) if tier.shared else (f"{tier.name}.read", f"{tier.name}.write")
        graph.add_edge(tier.name, tier.at, resource=out, order=order)
        graph.add_edge(tier.at, tier.name, resource=into, order=order)
    for order, link in enumerate(links, start=len(tiers)):
        up, down = (link.name, link.name) if link.shared else (f"{link.name}.up", f"{link.name}.down")
        graph.add_edge(link.start, link.end, resource=up, order=order)
        graph.add_edge(link.end, link.start, resource=down, order=order)
    return graph


class _Routes:
    """Shortest routes between the processor and the tiers, as lists of nodes."""

    def __init__(self, graph: nx.DiGraph[Any], processor: str, tiers: Sequence[Tier], index: dict[str, int]) -> None:
        import networkx as nx

        self._graph, self._processor, self._index = graph, processor, index
        self._names = [tier.name for tier in tiers]
        # Every edge has its way back, so hops from a tier are hops to it.
        self._hops = [nx.single_source_shortest_path_length(graph, name) for name in self._names]

    def write(self, k: int) -> list[str]:
        return self._walk(self._processor, k)

    def read(self, k: int) -> list[str]:
        return self.write(k)[::-1]

    def copy(self, j: int, k: int) -> list[str]:
        return self._walk(self._names[j], k) if j < k else self._walk(self._names[k], j)[::-1]

    def _walk(self, node: str, k: int) -> list[str]:
        """From a node to tier k: at every node the first link of the file among those that lead nearer."""
        hops, route = self._hops[k], [node]
        while node != self._names[k]:
            nearer = [after for after in self._graph[node] if hops[after] == hops[node] - 1]
            node = min((self._graph[node][after]["order"], after) for after in nearer)[1]
            route.append(node)
        return route

    def load(self, route: list[str]) -> Int64:
        """int64[R]: bytes that one byte along the route loads on each resource."""
        row = np.zeros(len(self._index), dtype=np.int64)
        for start, end in itertools.pairwise(route):
            row[self._index[self._graph[start][end]["resource"]]] += 1
        return row


def _resources(tiers: Sequence[Tier], links: Sequence[Link]) -> tuple[tuple[str, ...], Int64]:
    """Names and effective rates of what transfers contend for: tiers in order, then links."""
    found: list[tuple[str, int]] = []
    for tier in tiers:
        field, rates = f"tiers.{tier.name}", (tier.read_rate, tier.write_rate)
        found += _scaled(tier.name, field, tier.shared, ("read", "write"), ("read_rate", "write_rate"), rates, tier.efficiency)
    for link in links:
        field, rates = f"links.{link.name}", (link.up_rate, link.down_rate)
        found += _scaled(link.name, field, link.shared, ("up", "down"), ("up.rate", "down.rate"), rates, link.efficiency)
    return tuple(name for name, _ in found), np.array([rate for _, rate in found], dtype=np.int64)


def _scaled(
    name: str,
    field: str,
    shared: bool,
    ways: tuple[str, str],
    keys: tuple[str, str],
    rates: tuple[int, int],
    efficiency: Fraction,
) -> list[tuple[str, int]]:
    """(resource, effective rate) of one tier or link."""
    if not 0 < efficiency <= 1:
        raise InputError(f"found {efficiency}", "expected a number above 0, at most 1", field=f"{field}.efficiency")
    if shared and rates[0] != rates[1]:
        raise InputError(f"found {rates[0]} and {rates[1]} for one shared rate", "expected equal rates", field=f"{field}.rate")
    names = (name,) if shared else tuple(f"{name}.{way}" for way in ways)
    of_each = zip(names, ("rate",) if shared else keys, rates, strict=False)
    return [(resource, slowed(rate, efficiency, "B/s", f"{field}.{key}")) for resource, key, rate in of_each]


def _check_names(processor: str, tiers: Sequence[Tier], links: Sequence[Link], engines: Sequence[Engine]) -> None:
    of_each = (("tiers", tiers, MOST_TIERS), ("links", links, MOST_LINKS), ("engines", engines, MOST_ENGINES))
    for what, items, most in of_each:
        if len(items) > most:
            raise InputError(f"found {len(items)} {what}", f"expected at most {most}", field=what)
    if not tiers:
        raise InputError("found no tier", "expected at least one", field="tiers")
    _check_name(processor, "processor")
    seen: dict[str, str] = {}
    for what, item in ((what, item) for what, items, _ in of_each for item in items):
        field = f"{what}.{item.name}"
        _check_name(item.name, field)
        if item.name in RESERVED_NAMES:
            raise InputError(f"found the name {item.name!r}", "expected another name: it is a key of instances", field=field)
        if item.name in seen:
            raise InputError(
                f"found the name {item.name!r} twice, here and in {seen[item.name]}", "expected two names", field=field
            )
        seen[item.name] = what
    for tier in tiers:
        _check_name(tier.at, f"tiers.{tier.name}.at")
        if tier.capacity < 0:
            raise InputError(f"found {tier.capacity} B", "expected no negative size", field=f"tiers.{tier.name}.capacity")
    for link in links:
        _check_name(link.start, f"links.{link.name}.from")
        _check_name(link.end, f"links.{link.name}.to")
    _check_nodes(processor, tiers, links)


def _check_outside(tiers: Sequence[Tier], links: Sequence[Link], engines: Sequence[Engine], outside: Sequence[Outside]) -> None:
    """What is outside has names of its own."""
    taken = {item.name: "tiers" for item in tiers} | {item.name: "links" for item in links}
    taken |= {item.name: "engines" for item in engines}
    for each in outside:
        _check_name(each.resource, each.resource)
        if each.resource in taken:
            found = f"found the name {each.resource!r} twice, here and in {taken[each.resource]}"
            raise InputError(found, "expected two names", field=each.resource)
        taken[each.resource] = "outside"


def _check_name(name: str, field: str) -> None:
    if not _NAME.fullmatch(name):
        expected = "expected a letter, then at most 39 letters, digits, - or _"
        raise InputError(f"found the name {shown(name)}", expected, field=field)


def _check_nodes(processor: str, tiers: Sequence[Tier], links: Sequence[Link]) -> None:
    """Tiers are ends, not places; a link joins two places; two places are joined once."""
    places = [("processor", processor), *((f"tiers.{tier.name}.at", tier.at) for tier in tiers)]
    for link in links:
        places += [(f"links.{link.name}.from", link.start), (f"links.{link.name}.to", link.end)]
    names = {tier.name for tier in tiers}
    for field, node in places:
        if node in names:
            found = f"found {node!r}, which is a tier"
            raise InputError(found, f"expected the node that the tier hangs on (tiers.{node}.at)", field=field)
    joined: dict[frozenset[str], str] = {}
    for link in links:
        if link.start == link.end:
            raise InputError(f"found a link from {link.start!r} to itself", "expected two nodes", field=f"links.{link.name}.to")
        ends = frozenset((link.start, link.end))
        if ends in joined:
            found = f"found a second link between {link.start!r} and {link.end!r}, beside {joined[ends]!r}"
            raise InputError(found, "expected one link with the sum of their rates", field=f"links.{link.name}")
        joined[ends] = link.name


def _check_connected(graph: nx.DiGraph[Any], processor: str, tiers: Sequence[Tier], links: Sequence[Link]) -> None:
    import networkx as nx

    names = {tier.name for tier in tiers}
    if processor not in graph:
        places = [node for node in graph if node not in names]
        raise InputError(
            f"found {processor!r}, where no tier hangs and no link ends", nearest(processor, places), field="processor"
        )
    reached = nx.node_connected_component(graph.to_undirected(as_view=True), processor)
    places = [node for node in graph if node in reached and node not in names]
    for tier in tiers:
        if tier.name not in reached:
            found = f"found {tier.at!r}, from which no link leads to {processor!r}"
            raise InputError(found, nearest(tier.at, places), field=f"tiers.{tier.name}.at")
    for link in links:
        if link.start not in reached:
            found = f"found {link.start!r} and {link.end!r}, from which no link leads to {processor!r}"
            raise InputError(found, nearest(link.start, places), field=f"links.{link.name}.from")
