"""Captures of small models drawn at random, against the attention of one pass over all tokens; needs the extra capture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import LimitError
from placement_opt.cli import main
from placement_opt.workload.capture import decode
from placement_opt.workload.capture.models import load_model, weights_digest
from placement_opt.workload.capture.rules import Rule
from placement_opt.workload.files.npz import load_trace
from placement_opt.workload.formats.detect import read_any
from tests.capture.cases import obvious

torch = pytest.importorskip("torch", reason="torch is not installed (extra capture)")
transformers = pytest.importorskip("transformers", reason="transformers is not installed (extra capture)")

PROMPT = [int(token) for token in np.random.default_rng(5).integers(0, 64, 24)]
SHAPE = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
SHAPE |= {"num_key_value_heads": 2, "max_position_embeddings": 64, "initializer_range": 0.6}
WINDOW = 8


def saved(folder: Path, model: Any) -> str:
    model.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Full attention."""
    torch.manual_seed(1)
    return saved(tmp_path_factory.mktemp("llama"), transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE)))


@pytest.fixture(scope="module")
def mistral(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Layers that attend to the newest eight tokens alone."""
    torch.manual_seed(2)
    config = transformers.MistralConfig(**SHAPE, sliding_window=WINDOW)
    return saved(tmp_path_factory.mktemp("mistral"), transformers.MistralForCausalLM(config))


@pytest.fixture
def prompt(tmp_path: Path) -> str:
    """Token numbers."""
    (tmp_path / "prompt.txt").write_text(" ".join(map(str, PROMPT)))
    return str(tmp_path / "prompt.txt")


def command(model: str, prompt: str, output: Path, *options: str) -> list[str]:
    return ["trace", "capture", model, "--prompt", prompt, "--ids", "-o", str(output), "--tokens", "6", *options]


def whole(model: str, tokens: list[int]) -> list[Any]:
    """Attention [heads, query, key] of each layer, of one pass over all tokens without a cache."""
    kind = transformers.AutoModelForCausalLM.from_pretrained(model, attn_implementation="eager").eval()
    with torch.no_grad():
        return [one[0].numpy() for one in kind(torch.tensor([tokens]), output_attentions=True, use_cache=False).attentions]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


RULES = [
    (["--top-k", "5"], Rule(top_k=5)),
    (["--top-p", "0.6", "--heads", "max"], Rule(top_p=0.6, heads="max")),
    (["--threshold", "0.08", "--heads", "any"], Rule(threshold=0.08, heads="any")),
    (["--top-k", "2", "--page-tokens", "4"], Rule(top_k=2, page_tokens=4)),
]


@pytest.mark.parametrize(("options", "rule"), RULES, ids=lambda value: str(value) if isinstance(value, Rule) else "")
@pytest.mark.parametrize("model", ["llama", "mistral"])
def test_selections_are_those_of_one_pass(
    model: str, options: list[str], rule: Rule, prompt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    """With a cache, the prompt in chunks, windows: every row is what the obvious rule chooses of a pass without any of them."""
    monkeypatch.setattr(decode, "_CHUNK", 5)
    folder = request.getfixturevalue(model)
    assert main(command(folder, prompt, tmp_path / "t.jsonl", "--replay", "--weights", *options)) == 0
    layers = whole(folder, PROMPT)
    found = rows(tmp_path / "t.jsonl")
    assert [(row["step_idx"], row["layer_id"], row["seq_len_current"]) for row in found] == [
        (step, layer, 19 + step) for step in range(6) for layer in range(2)
    ]
    for row in found:
        length = row["seq_len_current"]
        first = max(0, length - WINDOW) if model == "mistral" else 0
        weights = layers[row["layer_id"]][:, length - 1, first:length]
        assert row["selected_token_pos"] == [first + column for column in obvious(rule, weights, first)]
        mean = weights.mean(axis=0, dtype=np.float64)
        chosen = np.array(row["selected_token_pos"], dtype=int) - first
        np.testing.assert_allclose(row["selected_weight_ppm"], 1e6 * mean[chosen], atol=3)
        rest = [
            sum(mean[c] for c in range(len(mean)) if c not in chosen and (c + first) // rule.page_tokens == page)
            for page in range(24)
        ]
        assert row["unselected_weight_ppm"] == pytest.approx(1e6 * max(rest), abs=3)


def test_the_file_is_a_trace(llama: str, prompt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Selections import as the trace that the same command writes straight; its metadata say where it comes from."""
    options = ["--top-k", "3", "--page-tokens", "4", "--seed", "7"]
    assert main(command(llama, prompt, tmp_path / "t.npz", *options)) == 0
    assert "6 tokens decoded in 2 layers, the last of a sequence of 30" in capsys.readouterr().out
    assert main(command(llama, prompt, tmp_path / "t.jsonl.gz", *options)) == 0
    straight, imported = load_trace(tmp_path / "t.npz"), read_any(tmp_path / "t.jsonl.gz", block_tokens=4)
    assert straight.blocks.tolist() == imported.blocks.tolist()
    assert (straight.num_steps, int(straight.size[0])) == (12, 4)
    about = straight.meta
    assert about["decoded"] == "6, drawn at temperature 1, seed 7"
    assert about["rule"] == "top-k 3, mean of heads, pages of 4"
    assert about["prompt"] == "prompt.txt, its first 24 tokens"
    assert about["model"]["sha256"] == weights_digest(load_model(llama).model)
    assert main(["trace", "info", str(tmp_path / "t.npz")]) == 0


def test_a_prompt_is_cut(llama: str, prompt: str, tmp_path: Path) -> None:
    """To its first tokens, behind which the model goes on."""
    assert main(command(llama, prompt, tmp_path / "t.jsonl", "--top-k", "3", "--prompt-tokens", "10")) == 0
    assert [row["seq_len_current"] for row in rows(tmp_path / "t.jsonl")] == [length for length in range(11, 17) for _ in "ab"]


def test_the_seed_decides(llama: str, prompt: str, tmp_path: Path) -> None:
    """Equal commands write equal bytes, another seed other tokens and so another attention."""
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(command(llama, prompt, tmp_path / f"{name}.npz", "--top-k", "3", "--seed", seed)) == 0
    a, b, c = ((tmp_path / f"{name}.npz").read_bytes() for name in "abc")
    assert a == b != c


def test_the_most_probable_tokens_are_those_of_generate(llama: str, prompt: str, tmp_path: Path) -> None:
    """At temperature 0; what is captured is the attention behind them."""
    assert main(command(llama, prompt, tmp_path / "t.jsonl", "--top-k", "4", "--temperature", "0")) == 0
    model = transformers.AutoModelForCausalLM.from_pretrained(llama).eval()
    given = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    tokens = model.generate(torch.tensor([PROMPT]), attention_mask=torch.ones(1, 24, dtype=torch.long), **given)[0].tolist()
    layers = whole(llama, tokens)
    for row in rows(tmp_path / "t.jsonl"):
        length = row["seq_len_current"]
        assert row["selected_token_pos"] == obvious(Rule(top_k=4), layers[row["layer_id"]][:, length - 1, :length])


def test_a_text_is_cut_by_the_model_s_tokenizer(llama: str, tmp_path: Path) -> None:
    """Which lies beside it; without one, numbers are asked for."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"a": 0, "b": 1, "c": 2, "?": 3}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path / "model"
    load_model(llama).model.save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?").save_pretrained(folder)
    (tmp_path / "p.txt").write_text("a b c a b c d")
    (tmp_path / "ids.txt").write_text("0 1 2 0 1 2 3")
    told = ["--top-k", "3", "--temperature", "0", "--tokens", "4"]
    assert (
        main(["trace", "capture", str(folder), "--prompt", str(tmp_path / "p.txt"), "-o", str(tmp_path / "t.jsonl"), *told])
        == 0
    )
    assert main(command(str(folder), str(tmp_path / "ids.txt"), tmp_path / "u.jsonl", *told)) == 0
    text, ids = (
        [(row["layer_id"], row["selected_token_pos"]) for row in rows(tmp_path / name)] for name in ("t.jsonl", "u.jsonl")
    )
    assert text == ids


def test_the_digest_is_of_the_weights(llama: str) -> None:
    """The same whatever the folder is called; another where one number changes."""
    model = load_model(llama).model
    before = weights_digest(model)
    assert before == weights_digest(load_model(llama + "/").model)
    with torch.no_grad():
        model.lm_head.weight[0, 0] += 1
    assert weights_digest(model) != before


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(words) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--tokens", "50"],
            "PROMPT: found a prompt of 24 tokens and 50 to decode, expected at most 64, the model's context, in all",
        ),
        (
            ["--replay", "--tokens", "24"],
            "--tokens: found 24 to decode of a prompt of 24, expected at least one token before them",
        ),
        (["--temperature", "-1"], "--temperature: found -1, expected a number from 0"),
        (["--device", "nowhere"], "--device: found 'nowhere' ("),
    ],
)
def test_options_that_the_model_cannot_take(
    options: list[str], message: str, llama: str, prompt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is decoded; no file is left."""
    error = refused(command(llama, prompt, tmp_path / "t.npz", "--top-k", "3", *options), capsys)
    assert error.startswith(f"error: {message}")
    assert not (tmp_path / "t.npz").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"1 2 64", "found '64', expected whole numbers from 0 to 63 with blanks between them"),
        (b"1 -2", "found '-2', expected whole numbers from 0 to 63 with blanks between them"),
        (b"  ", "found no tokens, expected a prompt"),
        (b"\xff", "found bytes that are not UTF-8, expected a text"),
    ],
)
def test_prompts_that_are_none(
    data: bytes, message: str, llama: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the name of the file."""
    path = tmp_path / "p.txt"
    path.write_bytes(data)
    assert refused(command(llama, str(path), tmp_path / "t.npz", "--top-k", "3"), capsys) == f"error: {path}: {message}\n"


def test_models_that_are_none(llama: str, prompt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there, one without a model, weights that are missing or cut off, a model without a tokenizer."""
    output = tmp_path / "t.npz"

    def told(folder: Path | str) -> str:
        return refused(command(str(folder), prompt, output, "--top-k", "3"), capsys)

    nowhere = tmp_path / "nowhere"
    assert (
        told(nowhere)
        == f"error: MODEL: found no folder {str(nowhere)!r}, expected a folder with a model, or a name on the hub\n"
    )
    (tmp_path / "empty").mkdir()
    assert "expected a causal language model with eager attention, in a folder or by its name on the hub" in told(
        tmp_path / "empty"
    )
    from safetensors.numpy import load_file, save_file

    broken = tmp_path / "broken"
    load_model(llama).model.save_pretrained(broken)
    tensors = load_file(broken / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    assert "found no weights that fit for 1 of its tensors, such as model.norm.weight" in told(broken)
    data = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(data[: len(data) // 2])
    assert "which does not load (" in told(broken)
    text = refused(["trace", "capture", llama, "--prompt", prompt, "--top-k", "3", "-o", str(output)], capsys)
    assert "found no tokenizer of" in text
    assert "or --ids and a prompt of token numbers" in text
    assert not output.exists()


def test_too_little_memory_is_a_limit(llama: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever torch calls it on the device; other faults stay what they are."""
    loaded = load_model(llama)

    def failing(text: str) -> Any:
        def forward(**_: Any) -> None:
            raise RuntimeError(text)

        return forward

    monkeypatch.setattr(loaded.model, "forward", failing("CUDA out of memory. Tried to allocate 2 GiB"))
    with pytest.raises(
        LimitError, match="found too little memory on cpu to run a prompt of 24 tokens with eager attention, expected"
    ):
        next(decode.steps(loaded, np.array(PROMPT), decode.Decoding(3)))
    monkeypatch.setattr(loaded.model, "forward", failing("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        next(decode.steps(loaded, np.array(PROMPT), decode.Decoding(3)))


def test_models_without_attention(prompt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A state-space model has none to show."""
    config = transformers.MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, state_size=4)
    folder = saved(tmp_path / "mamba", transformers.MambaForCausalLM(config))
    error = refused(command(folder, prompt, tmp_path / "t.npz", "--top-k", "3"), capsys)
    assert "error: MODEL: found " in error
    assert "with eager attention" in error
