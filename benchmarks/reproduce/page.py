"""Results of tables as documents, and the page ``benchmarks/REPRODUCED.md`` that follows from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.reproduce.table import Figure, Table, published

RESULTS = Path(__file__).parent.parent / "reproduced"
PAGE = RESULTS.parent / "REPRODUCED.md"
_HEAD = """# Published figures beside ours

Made by `python -m benchmarks.reproduce` from the files in `reproduced/`; do not edit. A cell is ours, or
`ours / published (error)`. Ours come from presets, traces, the table of operations, the simulator and the bounds alone: no
table has a formula of its own, and nothing is fitted. What others published, with source, date and evidence, lies in
`published/`; what they do not say and ours assumes stands under each table.
"""
_DIGITS = 6


def document(table: Table) -> dict[str, Any]:
    """A table, made: what its result file holds. Numbers have six digits, so that machines agree."""
    outcome = table.compute()
    said: dict[str, Any] = published(table.data[0])
    for part in table.data[1:]:
        said = said[part]
    summary = {name: _rounded(value) for name, value in outcome.summary.items()}
    targets = [
        {
            "figure": target.figure,
            "expected": f"{target.sense} {target.limit:g}",
            "met": target.met(float(outcome.summary[target.figure])),
        }
        for target in table.targets
    ]
    return {
        "table": table.name,
        "title": table.title,
        "unit": table.unit,
        "published": _published(said),
        "how": table.how,
        "assumes": list(table.assumes),
        "figures": [_entry(figure) for figure in outcome.figures],
        "summary": summary,
        "targets": targets,
    }


def _published(said: dict[str, Any]) -> str:
    """Source, date and evidence in words; a file whose rows have sources of their own says so by having none."""
    return f"{said['source']} ({said['date']}), {said['evidence']}" if "source" in said else "each row's source is in its file"


def _entry(figure: Figure) -> dict[str, Any]:
    return {
        "row": figure.row,
        "column": figure.column,
        "ours": _rounded(figure.ours),
        "published": figure.published,
        "error": _rounded(figure.error, places=4),
    }


def _rounded(value: Any, places: int | None = None) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, places) if places is not None else float(f"{value:.{_DIGITS}g}")


def load_results(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Every result file of a folder, by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def render(results: Sequence[dict[str, Any]]) -> str:
    """The Markdown page: targets first, then one section a table."""
    lines = [_HEAD, "| table | target | found |  |", "|---|---|---|---|"]
    for result in results:
        for target in result["targets"]:
            found = _number(result["summary"][target["figure"]])
            verdict = "met" if target["met"] else "**missed**"
            lines.append(
                f"| [{result['table']}](#{result['table']}) | {target['figure']} {target['expected']} | {found} | {verdict} |"
            )
    return "\n".join([*lines, "", *map(section, results)])


def section(result: dict[str, Any]) -> str:
    """One table."""
    lines = [
        f"## {result['table']}",
        "",
        f"{result['title']}, {result['unit']}. Published: {result['published']}. Ours: {result['how']}.",
        "",
    ]
    columns = list(dict.fromkeys(figure["column"] for figure in result["figures"]))
    lines += [f"|  | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    cells = {(figure["row"], figure["column"]): _cell(figure) for figure in result["figures"]}
    for row in dict.fromkeys(figure["row"] for figure in result["figures"]):
        lines.append(f"| {row} | {' | '.join(cells.get((row, column), '') for column in columns)} |")
    if result["summary"]:
        lines += ["", "| figure | value | target |", "|---|---|---|"]
        for name, value in result["summary"].items():
            wanted = [_target(target) for target in result["targets"] if target["figure"] == name]
            lines.append(f"| {name} | {_number(value)} | {', '.join(wanted)} |")
    if result["assumes"]:
        lines += ["", *(f"* Assumed: {text}." for text in result["assumes"])]
    return "\n".join([*lines, ""])


def _target(target: dict[str, Any]) -> str:
    return f"{target['expected']}: {'met' if target['met'] else '**missed**'}"


def _cell(figure: dict[str, Any]) -> str:
    text = _number(figure["ours"])
    if figure["published"] is None:
        return text
    error = "" if figure["error"] is None else f" ({100 * figure['error']:+.1f} %)"
    return f"{text} / {_number(figure['published'])}{error}"


def _number(value: float | int | str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1e5:
        return f"{value:,.0f}"
    return f"{value:.4g}"
