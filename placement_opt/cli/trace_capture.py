"""``placement-opt trace capture``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

from placement_opt.base.errors import InputError
from placement_opt.cli.console import Console
from placement_opt.cli.parser import LazyParser, decimal, natural, typed

_LARGEST = 2**31 - 1


def fill(parser: LazyParser) -> None:
    parser.description = (
        "Run a causal language model of Hugging Face behind a prompt and write what its layers would read at every token,\n"
        "by the weights of its attention. Needs the extra capture: pip install 'placement-opt[capture]'."
    )
    parser.add_argument("model", metavar="MODEL", help="a folder with a model, or its name on the hub")
    text = "what to write: a trace (.npz) or selections (.jsonl, .jsonl.gz, .jsonl.zst)"
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help=text)
    parser.add_argument("--prompt", metavar="FILE", required=True, help="the text that is there before the first step")
    parser.add_argument("--ids", action="store_true", help="the prompt is token numbers with blanks between them")
    text = "only the first N tokens of the prompt"
    parser.add_argument("--prompt-tokens", metavar="N", type=typed(partial(natural, 1, _LARGEST)), help=text)
    text = "tokens to decode (default: 256)"
    parser.add_argument("--tokens", metavar="N", type=typed(partial(natural, 1, _LARGEST)), default=256, help=text)
    add_rule(parser)
    text = "tokens of a page, whose weight is the sum of theirs (default: 1)"
    parser.add_argument("--page-tokens", metavar="N", type=typed(partial(natural, 1, _LARGEST)), default=1, help=text)
    text = "how heads are joined: mean of their weights (default), max, or any (each chooses, all are read)"
    parser.add_argument("--heads", choices=["mean", "max", "any"], default="mean", help=text)
    text = "decode the last --tokens of the prompt as they stand instead of letting the model go on"
    parser.add_argument("--replay", action="store_true", help=text)
    text = "of the draw of the next token (default: 1; 0: the most probable one)"
    parser.add_argument("--temperature", metavar="X", type=typed(decimal), default=1.0, help=text)
    parser.add_argument("--seed", metavar="N", type=typed(partial(natural, 0, 2**63 - 1)), default=0, help="of that draw")
    text = "numbers that weights are loaded as (default: as they are stored)"
    parser.add_argument("--dtype", choices=["auto", "float32", "bfloat16", "float16"], default="auto", help=text)
    parser.add_argument("--device", metavar="NAME", default="cpu", help="where torch runs it: cpu (default), cuda, cuda:1")
    parser.set_defaults(run=run)


def add_rule(parser: ArgumentParser) -> None:
    """The options that say which tokens are read, and whether with their weights."""
    text = "a step reads the N pages of the greatest weights"
    parser.add_argument("--top-k", metavar="N", type=typed(partial(natural, 1, _LARGEST)), help=text)
    text = "or the fewest pages that have this share of the attention, such as 0.9"
    parser.add_argument("--top-p", metavar="MASS", type=typed(decimal), help=text)
    text = "or every page of at least this weight, such as 0.001"
    parser.add_argument("--threshold", metavar="X", type=typed(decimal), help=text)
    text = "selections say the attention of each token read, in millionths: `trace select` chooses by it again"
    parser.add_argument("--weights", action="store_true", help=text)


def check_output(args: Namespace, source: str) -> None:
    """InputError for an output that cannot be written, says no format, or has no place for --weights."""
    from placement_opt.base.atomic import check_outputs
    from placement_opt.workload.capture.capture import TRACE_ENDING
    from placement_opt.workload.capture.rows import check_ending

    check_outputs({"-o": args.output}, [source])
    check_ending(args.output, (TRACE_ENDING,))
    if args.weights and args.output.endswith(TRACE_ENDING):
        expected = "expected it with selections (.jsonl): a trace says what is read, not how much it is attended to"
        raise InputError("found --weights for a trace", expected, field="--weights")


def by_option(error: InputError) -> InputError:
    """The same error with the option in place of the keyword that it names; errors of files stay."""
    field = error.field
    if error.path is not None or field is None or not field[0].islower():
        return error
    return InputError(error.found, error.expected, field="--" + field.replace("_", "-"))


def run(args: Namespace, console: Console) -> int:
    from placement_opt.report.capture import captured
    from placement_opt.workload.capture import models
    from placement_opt.workload.capture.capture import capture
    from placement_opt.workload.capture.decode import Decoding
    from placement_opt.workload.capture.rules import Rule
    from placement_opt.workload.formats.lines import file_label

    check_output(args, args.prompt)
    try:
        rule = Rule(args.top_k, args.top_p, args.threshold, args.heads, args.page_tokens)
    except InputError as error:
        raise by_option(error) from None
    models.check_installed()
    console.progress(f"loading {args.model}")
    loaded = models.load_model(args.model, dtype=args.dtype, device=args.device)
    prompt, digest = models.read_prompt(args.prompt, args.model, loaded.vocabulary, ids=args.ids)
    prompt, label = prompt[: args.prompt_tokens], file_label(args.prompt)
    try:
        done = capture(
            loaded,
            prompt,
            Decoding(args.tokens, args.replay, args.temperature, args.seed),
            rule,
            args.output,
            weights=args.weights,
            about={"prompt": f"{label}, its first {len(prompt)} tokens", "prompt_sha256": digest},
            request=label,
            progress=console.progress,
        )
    except InputError as error:
        raise by_option(error) from None
    console.print(captured(done, args.output))
    return 0
