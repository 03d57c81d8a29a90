"""``placement-opt bound`` for an instance file whose trace would not fit in memory."""

from __future__ import annotations

import os
from argparse import Namespace

from placement_opt.cli.console import Console


def run(args: Namespace, console: Console) -> int:
    """Both sides, within the memory of the machine and with as many processes as there are processors and memory for."""
    from placement_opt.limits import Limits
    from placement_opt.report.large import large_document, large_text
    from placement_opt.report.machine import to_json
    from placement_opt.scale import load_large, memory_needed, solve_large

    problem = load_large(args.instance)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    jobs = min(os.cpu_count() or 1, problem.layers.count)
    while jobs > 1 and memory_needed(problem, jobs) > memory:
        jobs -= 1
    with console.interruptible(Limits(args.time_limit)) as limits:
        answer = solve_large(problem, limits=limits, memory_limit=memory, jobs=jobs, report=console.progress)
        console.print(to_json(large_document(answer)) if args.json else large_text(answer))
    return 130 if limits.interrupted else 0
