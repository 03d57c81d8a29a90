"""One run of a scheduler, for people, for spreadsheets and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from placement_opt.answer.prove import Proof
from placement_opt.answer.verdict import Judgement, judge
from placement_opt.base.units import format_size
from placement_opt.instance.budgets import objective_text
from placement_opt.play.protocol import Effort
from placement_opt.play.run import Run
from placement_opt.report.hits import hits_document, hits_text
from placement_opt.report.judgement import above_sentence, interval_sentence, judgement_document, unavoidable_sentence
from placement_opt.report.machine import csv_lines
from placement_opt.report.meters import TIME, meter_rows, meters_document, tier_table, wear_document
from placement_opt.report.numbers import count, figure, full_seconds, percent, rates
from placement_opt.report.parts import assumption_rows, assumptions_info
from placement_opt.report.requests import requests_document, requests_tables
from placement_opt.report.table import facts, paragraph, table

_ADVICE = "compare raises it"
#: Lines of a table of steps that are text at the same time.
_STEPS_AT_ONCE = 50_000

#: Keys of :func:`effort_document`.
EFFORT_COLUMNS = ("work_unit", "work_given", "work_taken")


def effort_document(effort: Effort | None) -> dict[str, Any]:
    """The JSON keys of a scheduler's counted work; null where it searches nothing."""
    values = (None, None, None) if effort is None else (effort.unit, effort.given, effort.taken)
    return dict(zip(EFFORT_COLUMNS, values, strict=True))


def simulation_document(run: Run, proof: Proof) -> dict[str, Any]:
    """The JSON keys of one run beside what is proven of its instance; times in seconds, sizes in bytes."""
    judgement = _judged(run, proof)
    names, wear = run.instance.memory.tier_names, wear_document(run)
    resources = run.instance.memory.resources
    return {
        "instance": run.instance.name,
        "hash": run.instance.hash,
        "scheduler": run.scheduler,
        **effort_document(run.effort),
        "cut_short": run.effort is not None and run.effort.cut_short,
        "latency_s": run.latency_s,
        "objective": objective_text(run.instance.memory.meters, run.instance.objective),
        "objective_s": run.cost_s,
        **meters_document(run),
        "tokens": run.tokens if run.counts == "tokens" else None,
        **rates(run.counts, "", run.tokens_per_s),
        "lower_bound_s": proof.bound.lower_bound_s,
        "method": proof.bound.method,
        "roofline_s": proof.roofline_s,
        **judgement_document(judgement),
        "sentences": _sentences(run, proof, judgement),
        "steps": run.instance.num_steps,
        "reads": run.instance.num_reads,
        "hit_rate": run.hit_rate,
        "would_miss": run.would_miss,
        "hits": hits_document(run.hits),
        "read_bytes": run.read_bytes,
        "tiers": [
            {"tier": name, "read_bytes": read, "stored_bytes": stored, **wear.get(name, {})}
            for name, read, stored in zip(names, run.tier_read_bytes, run.stored_bytes, strict=True)
        ],
        "further": [{"operation": name, "served_bytes": size} for name, size in _further(run)],
        "copies": [{"from": source, "to": target, "bytes": size} for source, target, size in _copies(run)],
        "critical": [{"resource": name, "share": share} for name, share in zip(resources, run.critical_share, strict=True)],
        **requests_document(run),
        **assumptions_info(run.instance.memory.assumptions),
    }


def _judged(run: Run, proof: Proof) -> Judgement:
    known = proof.with_schedule(run.scheduler, run.cost_s)
    return judge(run.cost_s, known.interval, proof.roofline_s)


def _sentences(run: Run, proof: Proof, judgement: Judgement) -> list[str]:
    above = None if proof.roofline_s is None else run.cost_s - proof.roofline_s
    found = [
        interval_sentence(proof.with_schedule(run.scheduler, run.cost_s), _ADVICE),
        above_sentence(judgement, f"{run.scheduler} is"),
        unavoidable_sentence(judgement, above, "its"),
    ]
    return [sentence for sentence in found if sentence]


def simulation_text(run: Run, proof: Proof) -> str:
    """The same as lines and tables."""
    instance, judgement = run.instance, _judged(run, proof)
    minimised = objective_text(instance.memory.meters, instance.objective)
    steps = f"{count(instance.num_steps)} steps"
    work = steps if run.counts == "steps" else f"{count(run.tokens)} tokens, {steps}"
    head = facts(
        [
            ("instance", f"{instance.name} ({instance.hash[:12]})"),
            ("scheduler", run.scheduler),
            ("work", _work(run.effort)),
            ("latency", full_seconds(run.latency_s)),
            *([("objective", f"{full_seconds(run.cost_s)}: {minimised}")] if minimised != TIME else []),
            *meter_rows(run),
            (
                "throughput",
                f"{figure(run.tokens_per_s)} {run.counts}/s ({work})",
            ),
            ("lower bound", f"{full_seconds(proof.bound.lower_bound_s)}  ({proof.bound.method})"),
            ("verdict", str(judgement.verdict)),
            ("read", f"{format_size(run.read_bytes)} in {count(instance.num_reads)} reads"),
            (
                "hit rate",
                f"{percent(run.hit_rate)} of the bytes had a copy in {instance.memory.tiers[instance.memory.fastest].name}",
            ),
            (
                "would miss",
                ""
                if run.would_miss is None
                else f"{percent(run.would_miss)} of the bytes, had it dropped what it keeps elsewhere",
            ),
            *assumption_rows(instance.memory.assumptions),
        ]
    )
    parts = [head, *requests_tables(run), tier_table(run)]
    if hits := hits_text(run.hits):
        parts.append(hits)
    further = [[name, format_size(size)] for name, size in _further(run)]
    if further:
        parts.append(table(["served by", "bytes"], further, "lr"))
    copies = [[f"{source} -> {target}", format_size(size)] for source, target, size in _copies(run)]
    if copies:
        parts.append(table(["copied", "bytes"], copies, "lr"))
    critical = [
        [name, percent(share)] for name, share in zip(instance.memory.resources, run.critical_share.tolist(), strict=True)
    ]
    parts.append(
        table(["resource", "decides"], critical, "lr") + "\n(share of the time in which a slower resource would cost more)"
    )
    parts.append(paragraph(" ".join(_sentences(run, proof, judgement))))
    return "\n\n".join(parts) + "\n"


def _work(effort: Effort | None) -> str:
    """What a scheduler was given and took; "" where it searches nothing."""
    if effort is None:
        return ""
    text = f"{count(effort.taken)} of {count(effort.given)} {effort.unit}"
    return f"{text}; ended by the clock, another run may find another schedule" if effort.cut_short else text


def per_step_lines(run: Run) -> Iterator[bytes]:
    """A CSV file piece by piece, a line a step: its time, the resources that decide it, and where its bytes went."""
    columns = run.per_step or {}
    yield csv_lines([list(columns)]).encode()
    for low in range(0, run.instance.num_steps, _STEPS_AT_ONCE):
        lists = [column[low : low + _STEPS_AT_ONCE].tolist() for column in columns.values()]
        yield csv_lines(zip(*lists, strict=True)).encode()


def _further(run: Run) -> list[tuple[str, float]]:
    """What served reads besides reading from tiers, and how many bytes."""
    operations, tiers = run.instance.memory.operations, run.instance.num_tiers
    names = operations.names[operations.first_serving + tiers :]
    return list(zip(names, run.served_bytes[tiers:].tolist(), strict=True))


def _copies(run: Run) -> list[tuple[str, str, float]]:
    names = run.instance.memory.tier_names
    return [
        (names[j], names[k], float(size)) for j, row in enumerate(run.copied_bytes) for k, size in enumerate(row) if size > 0
    ]
