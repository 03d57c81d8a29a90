"""One run of a scheduler, for people, for spreadsheets and for programs."""

from __future__ import annotations

from typing import Any

from placement_opt.report.machine import to_csv
from placement_opt.report.numbers import count, figure, full_seconds, percent, rates
from placement_opt.report.table import facts, table
from placement_opt.run import Run
from placement_opt.schedulers.protocol import Effort
from placement_opt.units import format_size

#: Keys of :func:`effort_document`.
EFFORT_COLUMNS = ("work_unit", "work_given", "work_taken")


def effort_document(effort: Effort | None) -> dict[str, Any]:
    """The JSON keys of a scheduler's counted work; null where it searches nothing."""
    values = (None, None, None) if effort is None else (effort.unit, effort.given, effort.taken)
    return dict(zip(EFFORT_COLUMNS, values, strict=True))


def simulation_document(run: Run) -> dict[str, Any]:
    """The JSON keys of one run; times in seconds, sizes in bytes."""
    names, resources = run.instance.memory.tier_names, run.instance.memory.resources
    return {
        "instance": run.instance.name,
        "hash": run.instance.hash,
        "scheduler": run.scheduler,
        **effort_document(run.effort),
        "cut_short": run.effort is not None and run.effort.cut_short,
        "latency_s": run.latency_s,
        "tokens": run.tokens if run.counts == "tokens" else None,
        **rates(run.counts, "", run.tokens_per_s),
        "steps": run.instance.num_steps,
        "reads": run.instance.trace.num_reads,
        "hit_rate": run.hit_rate,
        "read_bytes": run.read_bytes,
        "tiers": [
            {"tier": name, "read_bytes": read, "stored_bytes": stored}
            for name, read, stored in zip(names, run.tier_read_bytes, run.stored_bytes, strict=True)
        ],
        "copies": [{"from": source, "to": target, "bytes": size} for source, target, size in _copies(run)],
        "critical": [{"resource": name, "share": share} for name, share in zip(resources, run.critical_share, strict=True)],
    }


def simulation_text(run: Run) -> str:
    """The same as lines and tables."""
    instance = run.instance
    steps = f"{count(instance.num_steps)} steps"
    work = steps if run.counts == "steps" else f"{count(run.tokens)} tokens, {steps}"
    head = facts(
        [
            ("instance", f"{instance.name} ({instance.hash[:12]})"),
            ("scheduler", run.scheduler),
            ("work", _work(run.effort)),
            ("latency", full_seconds(run.latency_s)),
            (
                "throughput",
                f"{figure(run.tokens_per_s)} {run.counts}/s ({work})",
            ),
            ("read", f"{format_size(run.read_bytes)} in {count(instance.trace.num_reads)} reads"),
            (
                "hit rate",
                f"{percent(run.hit_rate)} of the bytes had a copy in {instance.memory.tiers[instance.memory.fastest].name}",
            ),
        ]
    )
    names = instance.memory.tier_names
    tiers = [
        [name, format_size(read), format_size(stored)]
        for name, read, stored in zip(names, run.tier_read_bytes, run.stored_bytes, strict=True)
    ]
    parts = [head, table(["tier", "read from", "stored to"], tiers, "lrr")]
    copies = [[f"{source} -> {target}", format_size(size)] for source, target, size in _copies(run)]
    if copies:
        parts.append(table(["copied", "bytes"], copies, "lr"))
    critical = [
        [name, percent(share)] for name, share in zip(instance.memory.resources, run.critical_share.tolist(), strict=True)
    ]
    parts.append(
        table(["resource", "decides"], critical, "lr") + "\n(share of the time in which a slower resource would cost more)"
    )
    return "\n\n".join(parts) + "\n"


def _work(effort: Effort | None) -> str:
    """What a scheduler was given and took; "" where it searches nothing."""
    if effort is None:
        return ""
    text = f"{count(effort.taken)} of {count(effort.given)} {effort.unit}"
    return f"{text}; ended by the clock, another run may find another schedule" if effort.cut_short else text


def per_step_csv(run: Run) -> str:
    """One line a step: its time, the resources that decide it, and where its bytes went."""
    columns = run.per_step or {}
    lists = [column.tolist() for column in columns.values()]
    return to_csv(list(columns), list(zip(*lists, strict=True)))


def _copies(run: Run) -> list[tuple[str, str, float]]:
    names = run.instance.memory.tier_names
    return [
        (names[j], names[k], float(size)) for j, row in enumerate(run.copied_bytes) for k, size in enumerate(row) if size > 0
    ]
