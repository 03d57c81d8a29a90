"""Causal language models of Hugging Face: loaded with attention that shows its weights, named by a digest, given a prompt."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from placement_opt.base.arrays import Int64
from placement_opt.base.atomic import open_regular
from placement_opt.base.errors import InputError

#: Numbers that weights are loaded as; auto: as they are stored.
DTYPES = ("auto", "float32", "bfloat16", "float16")
#: Bytes of a prompt that are read.
MOST_PROMPT = 2**26
_FIELD = "MODEL"


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model ready to run, and what is said of it.

    Attributes
    ----------
    model
        A ``transformers`` model for causal language, in evaluation mode, with eager attention.
    about
        ``name``, ``sha256`` (of its weights), ``type``, ``layers``, ``heads``, ``parameters``, ``dtype``.
    context
        Tokens that it takes at most; None where it does not say.
    vocabulary
        Token numbers are below this.
    """

    model: Any
    about: dict[str, Any]
    context: int | None
    vocabulary: int


def check_installed() -> None:
    """InputError that names the extra where torch or transformers is not there."""
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        found = f"found no {' and no '.join(missing)}, which the model is run with"
        raise InputError(found, "expected them to be installed: pip install 'placement-opt[capture]'", field=_FIELD)


def load_model(name: str, *, dtype: str = "auto", device: str = "cpu") -> Loaded:
    """A model from a folder, or by the name that it has on the hub.

    Parameters
    ----------
    name
        A folder with ``config.json`` and weights, or a name such as ``meta-llama/Llama-3.1-8B``, which transformers download
        unless they have it.
    dtype
        One of ``DTYPES``.
    device
        What torch calls it: ``cpu``, ``cuda``, ``cuda:1``.

    Raises
    ------
    InputError
        The extra is missing; no such folder or name; no causal model; no eager attention; weights that are damaged or do not
        belong to the model (what is missing would be drawn at random); a device that is not there.
    """
    check_installed()
    import torch
    from transformers import AutoModelForCausalLM

    _quiet()
    local = _local(name)
    numbers = dtype if dtype == "auto" else getattr(torch, dtype)
    try:
        model, told = AutoModelForCausalLM.from_pretrained(
            name,
            attn_implementation="eager",
            dtype=numbers,
            local_files_only=local,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # each kind of file and model has errors of its own
        expected = "expected a causal language model with eager attention, in a folder or by its name on the hub"
        raise InputError(f"found {name!r:.200}, which does not load ({_line(error)})", expected, field=_FIELD) from None
    lacking = sorted(told["missing_keys"]) + sorted(str(key[0]) for key in told["mismatched_keys"])
    if lacking:
        found = f"found no weights that fit for {len(lacking)} of its tensors, such as {lacking[0]}"
        raise InputError(found, "expected weights for all of them (others would be drawn at random)", field=_FIELD)
    try:
        model = model.to(device).eval()
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"found {device!r:.40} ({_line(error)})", "expected a device that torch has", field="--device"
        ) from None
    return loaded(model, name)


def loaded(model: Any, name: str) -> Loaded:
    """A model that is at hand, as :func:`load_model` gives it; ``name`` is what it is called in the metadata."""
    config = model.config.get_text_config()
    context = getattr(config, "max_position_embeddings", None)
    about = {
        "name": os.path.basename(os.path.normpath(name)) if os.path.isdir(name) else name,
        "sha256": weights_digest(model),
        "type": config.model_type,
        "layers": getattr(config, "num_hidden_layers", None),
        "heads": getattr(config, "num_attention_heads", None),
        "kv_heads": getattr(config, "num_key_value_heads", None),
        "parameters": sum(one.numel() for one in model.parameters()),
        "dtype": str(model.dtype).removeprefix("torch."),
    }
    said = {key: value for key, value in about.items() if value is not None}
    return Loaded(model, said, context, int(model.get_input_embeddings().num_embeddings))


def weights_digest(model: Any) -> str:
    """SHA-256 of all tensors in order of their names: name, type, shape, bytes."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_prompt(path: str, name: str, vocabulary: int, *, ids: bool = False) -> tuple[Int64, str]:
    """The tokens of a prompt, and SHA-256 of its file.

    Parameters
    ----------
    path
        A text in UTF-8, or with ``ids`` whole numbers with blanks between them.
    name
        The model, whose tokenizer cuts the text.
    vocabulary
        Token numbers are below this.

    Raises
    ------
    InputError
        No such file, no UTF-8, an empty prompt, numbers that are no tokens, a model without a tokenizer.
    """
    with open_regular(path) as handle:
        data = handle.read(MOST_PROMPT + 1)
    if len(data) > MOST_PROMPT:
        raise InputError(f"found more than {MOST_PROMPT} bytes", "expected a shorter prompt", path=path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("found bytes that are not UTF-8", "expected a text", path=path) from None
    tokens = _numbers(text, vocabulary, path) if ids else _tokenised(text, name)
    if len(tokens) == 0:
        raise InputError("found no tokens", "expected a prompt", path=path)
    return tokens, hashlib.sha256(data).hexdigest()


def _numbers(text: str, vocabulary: int, path: str) -> Int64:
    for word in (words := text.split()):
        if not (word.isascii() and word.isdigit() and len(word) < 10 and int(word) < vocabulary):
            expected = f"expected whole numbers from 0 to {vocabulary - 1} with blanks between them"
            raise InputError(f"found {word!r:.40}", expected, path=path)
    return np.array([int(word) for word in words], dtype=np.int64)


def _tokenised(text: str, name: str) -> Int64:
    from transformers import AutoTokenizer

    try:
        words = AutoTokenizer.from_pretrained(name, local_files_only=_local(name), trust_remote_code=False)
        return np.array(words(text, verbose=False)["input_ids"], dtype=np.int64)
    except Exception as error:  # as many kinds as there are tokenizers
        found = f"found no tokenizer of {name!r:.200} that loads ({_line(error)})"
        raise InputError(found, "expected one beside the model, or --ids and a prompt of token numbers", field=_FIELD) from None


def _local(name: str) -> bool:
    """Whether the name is a folder; InputError for what can only be a folder and is none."""
    if os.path.isdir(name):
        return True
    if name.startswith((".", os.sep, "~")) or name.count("/") > 1 or not name:
        raise InputError(f"found no folder {name!r:.200}", "expected a folder with a model, or a name on the hub", field=_FIELD)
    return False


def _quiet() -> None:
    """Without bars and advice on the way."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _line(error: Exception) -> str:
    """What an error of others says, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
