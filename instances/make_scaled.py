"""The instances of ``seed/``, ``tiers3/`` and ``requests/``: text files whose traces a generator makes when they are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from placement_opt.base.atomic import write_text_atomic

#: Link variant -> preset.
LINKS = {"nvlink4": "gh200", "nvlink3": "gh200-nvlink3", "pcie6": "gh200-pcie6"}
#: The paper's model has 32 layers; the small instances have 2, and one of their blocks stands for 256 tokens.
LAYERS, SHRINK = 2, 256


@dataclass(frozen=True)
class Seed:
    """The paper's experiment at one link, HBM size and drift; ``full`` at its own size, otherwise scaled down."""

    link: str
    hbm_gib: int
    drift: int
    full: bool = False

    @property
    def name(self) -> str:
        """Also the file's."""
        return f"{self.link}-{self.hbm_gib}gib-drift{self.drift:02d}" + ("-full" if self.full else "")

    def toml(self) -> str:
        """The instance file."""
        layers, shrink = (32, 1) if self.full else (LAYERS, SHRINK)
        scale = 32 // layers
        scaled = f"{layers} of 32 layers, one block for {shrink} tokens: HBM and weights / {scale}, KV of a block * {shrink}."
        prefill, tokens = 31_299 // shrink, 10_239 // shrink + (not self.full)
        return f"""\
# arXiv 2508.13231, 8B model, HBM of {self.hbm_gib} GiB, drift {self.drift} %.
# {"Full size: 4.77e9 reads." if self.full else scaled}
schema = 1
name = "{self.name}"
[memory]
preset = "{LINKS[self.link]}"
hbm.capacity = "{self.hbm_gib * 1024 // scale} MiB"
[llm]
layers = {layers}
kv_bytes = "{_size(16 * 1024 * shrink)}"
weight_bytes = "162.9 MB"
weight_resident = "{15 * 1024 // scale} MiB"
[trace]
synth = "drift"
seed = 1
layers = {layers}
prefill = {prefill}
tokens = {tokens}
read_share = 0.4
drift = {self.drift / 100:g}
[rules]
residency = "inclusive"
initial = "free"
page_tokens = 1
"""


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB"


SEED = (
    *(Seed("nvlink4", hbm, drift) for hbm in (18, 25) for drift in (3, 10, 30)),
    *(Seed("nvlink4", hbm, 10) for hbm in (20, 22)),
    *(Seed(link, hbm, 10) for link in ("nvlink3", "pcie6") for hbm in (18, 25)),
)
FULL = tuple(Seed("nvlink4", hbm, drift, full=True) for hbm in (18, 25) for drift in (1, 3, 10, 30))


def make_seed(folder: Path) -> None:
    """``seed/`` and ``seed/full/``, whose files are named in ``seed/full/LARGE``."""
    for seed in SEED:
        write_text_atomic(folder / f"{seed.name}.toml", seed.toml())
    for seed in FULL:
        write_text_atomic(folder / "full" / f"{seed.name}.toml", seed.toml())
    about = "# Too large for the methods that read a trace row by row; regress skips and names these.\n"
    write_text_atomic(folder / "full" / "LARGE", about + "".join(f"{seed.name}.toml\n" for seed in FULL))


# ---- tiers3 and requests -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """An instance whose trace a generator makes when it is loaded: preset, capacities, generator and its parameters."""

    name: str
    about: str
    preset: str
    capacity: tuple[tuple[str, str], ...]
    llm: str
    trace: tuple[tuple[str, object], ...]
    residency: str = "inclusive"
    initial: str = "free"
    outside: str = ""

    def toml(self) -> str:
        """The instance file."""
        lines = [f"# {self.about}", "schema = 1", f'name = "{self.name}"', "[memory]", f'preset = "{self.preset}"']
        lines += [f'{tier}.capacity = "{size}"' for tier, size in self.capacity]
        lines += ["[llm]", *self.llm.splitlines(), "[trace]"]
        lines += [f"{key} = " + (f'"{value}"' if isinstance(value, str) else f"{value}") for key, value in self.trace]
        lines += ["[rules]", f'residency = "{self.residency}"', f'initial = "{self.initial}"', "page_tokens = 1"]
        lines += self.outside.splitlines()
        return "\n".join(lines) + "\n"


_SMALL_MODEL = 'layers = 2\nkv_bytes = "1 MiB"\nweight_bytes = "40 MB"'
_DRIFT = (("synth", "drift"), ("seed", 1), ("layers", 2), ("prefill", 50), ("tokens", 20), ("read_share", 0.4))
_CXL = (("hbm", "20 MiB"), ("dram", "40 MiB"))
_NVME = (("hbm", "30 MiB"), ("dram", "50 MiB"))
TIERS3 = (
    Written(
        "cxl3-inclusive",
        "HBM, DRAM, CXL; the CXL memory keeps everything.",
        "cxl3",
        _CXL,
        _SMALL_MODEL,
        (*_DRIFT, ("drift", 0.1)),
    ),
    Written(
        "cxl3-exclusive",
        "The same with one copy of each block.",
        "cxl3",
        _CXL,
        _SMALL_MODEL,
        (*_DRIFT, ("drift", 0.1)),
        "exclusive",
    ),
    Written("cxl3-free", "The same with any copies.", "cxl3", _CXL, _SMALL_MODEL, (*_DRIFT, ("drift", 0.1)), "free"),
    Written(
        "nvme4-inclusive",
        "HBM, DRAM, NVMe; the drive keeps everything.",
        "nvme4",
        _NVME,
        _SMALL_MODEL,
        (*_DRIFT, ("drift", 0.05)),
    ),
    Written(
        "nvme4-first-fit",
        "The same, started first-fit.",
        "nvme4",
        _NVME,
        _SMALL_MODEL,
        (*_DRIFT, ("drift", 0.05)),
        "exclusive",
        "first-fit",
    ),
)

#: Llama 3.1 8B. A step is a request, whose prefill is compute: no weights are charged.
_LLAMA = 'layers = 32\nkv_bytes = "4 KiB"\nweight_resident = "16 GB"'
_REQUESTS = (
    ("synth", "requests"),
    ("seed", 1),
    ("requests", 60),
    ("prompt", 2000),
    ("prompt_spread", 0.8),
    ("turns", 3.0),
    ("think", "10 s"),
)
#: An A100's bf16 rate as its datasheet has it, half of it reached.
_RECOMPUTE = '[recompute]\nflops = "312 TFLOP/s"\nflops_per_token = "14 GFLOP"\nefficiency = 0.5'
_TIGHT = (("hbm", "18 GiB"), ("dram", "6 GiB"))
REQUESTS = (
    Written(
        "nvme4-forever",
        "Prefix cache over HBM, DRAM and NVMe; nothing is freed.",
        "nvme4",
        _TIGHT,
        _LLAMA,
        (*_REQUESTS, ("keep", "forever")),
    ),
    Written(
        "nvme4-session",
        "The same; blocks are freed when their session ends.",
        "nvme4",
        _TIGHT,
        _LLAMA,
        (*_REQUESTS, ("keep", "session")),
        "exclusive",
    ),
    Written(
        "gh200-ttl",
        "Two tiers; blocks unused for 15 s are freed.",
        "gh200",
        (("hbm", "18 GiB"),),
        _LLAMA,
        (*_REQUESTS, ("keep", "ttl"), ("ttl", "15 s")),
    ),
    Written(
        "nvme4-cache",
        "Nothing is freed and everything may be forgotten: what lies nowhere is recomputed.",
        "nvme4",
        (("hbm", "16 GiB"), ("dram", "2 GiB"), ("nvme", "4 GiB")),
        _LLAMA,
        (*_REQUESTS, ("keep", "forever")),
        "cache",
        outside=_RECOMPUTE,
    ),
)


def make_written(folder: Path, family: Sequence[Written]) -> None:
    """``tiers3/`` or ``requests/``."""
    for written in family:
        write_text_atomic(folder / f"{written.name}.toml", written.toml())
