"""``placement-opt bound`` and ``verify`` for an instance file whose trace would not fit in memory."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING

from placement_opt.cli.certificates import check_files
from placement_opt.cli.console import Console

if TYPE_CHECKING:
    from placement_opt.base.limits import Limits
    from placement_opt.instance.layered import Layered


def run(args: Namespace, console: Console, limits: Limits) -> int:
    """Both sides, within the memory of the machine and with as many processes as there are processors and memory for.

    ``--jobs`` says how many at most.
    """
    from placement_opt.base.room import left
    from placement_opt.certify.files import save_prices
    from placement_opt.instance.load import load_layered
    from placement_opt.layered import solve_large
    from placement_opt.layered.solve import Progress
    from placement_opt.report.answer import ProgressTable
    from placement_opt.report.layered import large_document, large_text
    from placement_opt.report.machine import to_json

    files, problem = check_files(args), load_layered(args.instance, layers=args.scale_layers)
    memory, table = left(limits), ProgressTable()
    jobs = min(args.jobs or os.cpu_count() or 1, problem.layers.count)
    while jobs > 1 and problem.memory_needed(jobs) > memory:
        jobs -= 1

    def tell(now: Progress) -> None:
        gap = now.schedule_s / now.lower_s - 1.0 if now.lower_s > 0 else None
        for line in table.row(now.since_s, now.lower_s, now.schedule_s, gap, now.source):
            console.line(line)

    with console.interruptible(limits):
        plan, gap = files.get("schedule"), args.gap or 0.0
        answer = solve_large(problem, gap=gap, limits=limits, memory_limit=memory, jobs=jobs, report=tell, schedule=plan)
        if "prices" in files:
            save_prices(answer.certificate, files["prices"])
        console.print(to_json(large_document(answer, files)) if args.json else large_text(answer, files))
    return 130 if limits.interrupted else 0


def question_of(args: Namespace) -> Layered | None:
    """The question at scale that certificates were made for; None where they are for the same instance in rows."""
    from placement_opt.base.errors import InputError
    from placement_opt.certify.files import instance_hash
    from placement_opt.certify.layered_files import is_large_schedule
    from placement_opt.instance.load import load_layered

    moves = any(is_large_schedule(path) for path in args.certificates)
    try:
        question = load_layered(args.instance, layers=args.scale_layers)
    except InputError:
        if moves:
            raise
        return None
    made_for = {None if is_large_schedule(path) else instance_hash(path) for path in args.certificates}
    return question if moves or question.hash in made_for else None


def verify(args: Namespace, console: Console, question: Layered) -> int:
    """Prove certificates of a question at scale again, layer by layer."""
    from placement_opt.certify.layered import verify_large
    from placement_opt.report.layered_verified import verified_large_document, verified_large_text
    from placement_opt.report.machine import to_json

    console.progress(f"{len(args.certificates)} certificates of {question.num_reads:,} reads")
    found = verify_large(question, args.certificates)
    console.print(to_json(verified_large_document(found)) if args.json else verified_large_text(found))
    return 0
