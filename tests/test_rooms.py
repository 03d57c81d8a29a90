"""The rooms of the package stand in an order, and nothing walks back: a room imports only those before it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import networkx as nx

import placement_opt

PACKAGE = Path(placement_opt.__file__).parent
ROOMS = ["base", "memory", "workload", "instance", "certify", "play", "bounds", "schedulers", "layered", "answer", "study"]
ROOMS += ["report", "cli"]
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imports(path: Path, *, types: bool) -> Iterator[str]:
    """Modules of the package that a file imports, at module level and inside functions; with ``types``, for annotations too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            node.body = []
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else str(node.module) for name in names]
        yield from (name for name in names if name in MODULES and name != "placement_opt")


def room(module: str) -> int:
    """Number of the room of a module; the package's own files, which hand out public names, come last."""
    parts = module.split(".")
    return ROOMS.index(parts[1]) if len(parts) > 1 and parts[1] in ROOMS else len(ROOMS)


def test_no_module_is_loose() -> None:
    """Everything is in a room, but for the package's two files."""
    assert {name for name in MODULES if room(name) == len(ROOMS)} == {"placement_opt", "placement_opt.__main__"}


def test_a_room_imports_only_rooms_before_it() -> None:
    """At module level, inside functions and for annotations alike."""
    arrows = {(name, other) for name, path in MODULES.items() for other in imports(path, types=True)}
    assert len(arrows) > 500
    assert sorted(arrow for arrow in arrows if room(arrow[1]) > room(arrow[0])) == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """No circle of imports that are run, inside a room either."""
    graph = nx.DiGraph()
    graph.add_edges_from((name, other) for name, path in MODULES.items() for other in imports(path, types=False))
    assert [sorted(circle) for circle in nx.strongly_connected_components(graph) if len(circle) > 1] == []


def test_no_test_imports_from_another() -> None:
    """What tests share is in modules of its own, for programs that tests write too: each can be run, moved or deleted alone."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    assert len(files) > 100
    taken = re.compile(r"\b(?:from|import) tests\.(?:\w+\.)*test_")
    assert [path.name for path in files if taken.search(path.read_text())] == []
