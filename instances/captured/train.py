"""Train the small model: ``python -m instances.captured.train FOLDER``, some ten minutes on one core.

A model of the shape of Llama (grouped queries, rotary positions, gated feed-forward), of under a million parameters, on the
sources of Python's own library in tokens of its own (byte pairs, ``VOCABULARY`` of them). It learns short contexts first and
then as long ones as are captured. The folder is what ``placement-opt trace capture`` reads, with ``prompt.txt``, a text
that the model never saw.

The seed fixes what is drawn, the number of steps what is done; sums of floating-point numbers come out in another order on
another processor or number of threads, so the weights, and a trace made with them, are alike elsewhere but not equal.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from instances.captured.text import HELD_OUT, learnt_files, library, read

VOCABULARY = 1024
CONTEXT = 2560
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}


@dataclass(frozen=True)
class Stage:
    """So many steps of gradient, each of ``batch`` pieces of ``context`` tokens."""

    steps: int
    batch: int
    context: int


#: 2.3 million tokens in all, of 3.2 million that there are.
STAGES = (Stage(480, 8, 512), Stage(60, 2, CONTEXT))
RATE, WARM = 3e-3, 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, say how well, write the folder; exit code 0."""
    parser = argparse.ArgumentParser(prog="python -m instances.captured.train", description="Train the small model.")
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where the model is written")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--untrained", action="store_true", help="write the model as it is drawn")
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    root = library()
    texts = [read(path) for path in learnt_files(root)]
    words = tokenizer(texts)
    learnt = tokens(words, texts)
    held = tokens(words, [read(root / name) for name in HELD_OUT])
    model = new_model()
    if not options.untrained:
        train(model, learnt, np.random.default_rng(options.seed))
    told = {
        "python": sys.version.split()[0],
        "files": len(texts),
        "tokens": len(learnt),
        "seed": options.seed,
        "trained": not options.untrained,
        "parameters": sum(p.numel() for p in model.parameters()),
        "loss": {
            "uniform": math.log(VOCABULARY),
            "unigram": unigram(learnt, held),
            "model": loss(model, held, CONTEXT),
        },
    }
    model.save_pretrained(options.folder)
    words.save_pretrained(options.folder)
    (options.folder / "prompt.txt").write_text(read(root / HELD_OUT[0]))
    (options.folder / "training.json").write_text(json.dumps(told, indent=2) + "\n")
    print(json.dumps(told, indent=2))
    return 0


def tokenizer(texts: Sequence[str]) -> Any:
    """Byte pairs learnt from the texts, as transformers keep them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=alphabet, show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=CONTEXT)


def tokens(words: Any, texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """All texts, one behind the other."""
    return np.concatenate([words(text, verbose=False)["input_ids"] for text in texts]).astype(np.int64)


def new_model() -> Any:
    """The model as it is drawn."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**SHAPE))


def train(model: Any, learnt: npt.NDArray[np.int64], rng: np.random.Generator) -> None:
    """All stages; the rate rises and falls once over them together."""
    import torch

    total = sum(stage.steps for stage in STAGES)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.1)
    done = 0
    for stage in STAGES:
        for _ in range(stage.steps):
            rate = RATE * min(1.0, (done + 1) / WARM) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done / total)))
            for group in optimiser.param_groups:
                group["lr"] = rate
            starts = rng.integers(0, len(learnt) - stage.context, stage.batch)
            piece = torch.from_numpy(np.stack([learnt[start : start + stage.context] for start in starts]))
            value = model(input_ids=piece, labels=piece, use_cache=False).loss
            optimiser.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            done += 1
            if done % 25 == 0:
                print(f"step {done} of {total}: loss {value.item():.3f}", file=sys.stderr, flush=True)


def loss(model: Any, held: npt.NDArray[np.int64], context: int) -> float:
    """Mean over the tokens held out, in pieces of ``context`` tokens, in nats a token."""
    import torch

    pieces = np.array_split(held, -(-len(held) // context))
    with torch.no_grad():
        each = [float(model(input_ids=one, labels=one).loss) for one in (torch.from_numpy(p)[None] for p in pieces)]
    weights = [len(piece) - 1 for piece in pieces]
    return float(np.average(each, weights=weights))


def unigram(learnt: npt.NDArray[np.int64], held: npt.NDArray[np.int64]) -> float:
    """What guessing by the frequencies of tokens alone comes to, in nats a token."""
    counts = np.bincount(learnt, minlength=VOCABULARY) + 1.0
    return float(-np.log(counts / counts.sum())[held].mean())


if __name__ == "__main__":
    sys.exit(main())
