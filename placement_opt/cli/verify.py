"""``placement-opt verify``."""

from __future__ import annotations

from argparse import Namespace

from placement_opt.cli.backend import add_backend, backend_of
from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, add_instance, add_jobs, add_memory_limit, add_output, add_scale_layers
from placement_opt.cli.question import by_layer_only, certified, read


def fill(parser: LazyParser) -> None:
    parser.description = (
        "Prove certificates again, in exact integers: that no schedule takes less than a bound, from its prices; that a\n"
        "schedule keeps the rules and takes no longer than it claims, from its moves. No solver is used, nor any code\n"
        "that finds bounds or schedules."
    )
    add_instance(parser)
    text = "what bound --certificate or --schedule, or simulate --schedule, wrote: one of each at most, in any order"
    parser.add_argument("certificates", metavar="CERTIFICATE", nargs="+", help=text)
    add_memory_limit(parser)
    add_jobs(parser, "processes to use where a question comes layer by layer (default: 1)")
    add_backend(parser, "layers are proved", ", of a question that comes layer by layer")
    add_scale_layers(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: Namespace, console: Console) -> int:
    from placement_opt.base.limits import Limits
    from placement_opt.certify.claims import kind_of_any, verify_any
    from placement_opt.report.machine import to_json
    from placement_opt.report.verification import verified_document, verified_text

    backend, outline = backend_of(args), read(args)
    files = {str(kind_of_any(path)): path for path in args.certificates}
    question = certified(args, outline, Limits(memory=args.memory_limit))
    if backend.away:
        by_layer_only(question, "--backend")
    console.progress(f"{len(args.certificates)} certificates of {question.num_reads:,} reads")
    found = verify_any(question, args.certificates, backend=backend)
    console.print(to_json(verified_document(found, files)) if args.json else verified_text(found, files))
    return 0
