"""How KV lies on pages: pieces by hand, what a token writes, and the wear that follows."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from placement_opt.base.errors import InputError
from placement_opt.workload.synth import synthesize
from placement_opt.workload.synth.decode_params import Params
from placement_opt.workload.trace import Trace
from placement_opt.workload.transforms.mapping import Mapping, block_reads, cycles_per_year, mapped, written_per_token

#: 32 layers of 32 KV heads of 128 numbers of two bytes, as LLaMA2-7B has.
MHA = {"layers": 32, "head_groups": 32, "vector": Fraction(256), "vectors": 2}


def mapping(layout: str = "head-grouped", page: int | None = 4096, buffer: int | None = None, **more: Any) -> Mapping:
    return Mapping(**{"layout": layout, "page": page, "buffer": buffer, **MHA, **more})


def pieces(chosen: Mapping, *sizes: int) -> list[int]:
    return chosen.pieces(np.array(sizes)).tolist()


def test_head_grouped_keys_and_values_are_two_pieces() -> None:
    """However many tokens there are; of three sequences six, of a latent vector one."""
    assert pieces(mapping(), 512, 512 * 1000) == [2, 2]
    assert pieces(mapping(sequences=3), 3 * 512) == [6]
    assert pieces(mapping(vectors=1), 512) == [1]


def test_token_major_vectors_are_pieces_of_their_own() -> None:
    """Keys and values of each token, unless there is one head group alone, whose tokens follow each other anyhow."""
    assert pieces(mapping("token-major"), 512, 512 * 1000) == [2, 2000]
    assert pieces(mapping("token-major", head_groups=1), 512 * 1000) == [2]


def test_a_buffer_of_all_layers_leaves_air_in_pages() -> None:
    """8 KiB shared by 32 layers are 512 B of keys or of values: an eighth of a page; of 8 layers they would fill half of it."""
    assert pieces(mapping(buffer=8192), 512 * 1000) == [1000]
    assert mapping(buffer=8192, layers=8).written == 2048
    assert mapping(buffer=8192, layers=2).written == 4096
    # Where a piece of a page is less than a vector, vectors are cut too.
    assert pieces(mapping("token-major", buffer=1024), 512) == [8]


@pytest.mark.parametrize("layers", [32, 48, 80])
def test_air_is_a_quarter_of_the_layers(layers: int) -> None:
    """arXiv 2512.03608, compact variant: page / (2 x buffer / layers); padding is less than a byte a piece."""
    chosen = mapping(buffer=8192, layers=layers)
    trace = mapped(Trace.from_reads([[0]], sizes=512 * 1024), chosen)
    assert trace.pieces is not None
    assert trace.pieces[0] * 4096 == 512 * 1024 * layers // 4
    assert 0 <= trace.sizes[0] - 512 * 1024 < trace.pieces[0]
    assert trace.sizes[0] % trace.pieces[0] == 0


def test_weights_stay_in_one_piece() -> None:
    """Only KV is mapped."""
    parameters = {"model": "llama-2-7b", "layers": 2, "context": 10, "layout": "token-major"}
    trace = synthesize("decode", parameters, 0)
    assert trace.pieces is not None
    assert trace.block_kind is not None
    assert set(trace.pieces[trace.block_kind == 1].tolist()) == {1}
    assert set(trace.pieces[trace.block_kind == 0].tolist()) == {20, 2}  # the context, and the token decoded


def test_what_a_token_writes() -> None:
    """LLaMA2-7B: half a MiB; programmed as it is in full pages, eight times as much in eighths of pages."""
    full, air = written_per_token(mapping()), written_per_token(mapping(buffer=8192))
    assert (full.size, full.pages, full.amplification) == (2**19, 128, 1)
    assert (air.size, air.pages, air.amplification) == (2**19, 1024, 8)
    plain = written_per_token(mapping(page=None))
    assert (plain.size, plain.amplification) == (2**19, 1)


@pytest.mark.parametrize(("cycles", "seconds"), [(3_000, 141 * 86400), (100_000, 12.9 * 365 * 86400)])
def test_life_of_flash_under_llama2_7b(cycles: int, seconds: float) -> None:
    """30 tokens a second on 64 GB: 141 days at 3k cycles, 13 years at 100k."""
    a_year = cycles_per_year(written_per_token(mapping()).size, Fraction(30), 64 * 10**9)
    assert float(cycles / a_year * 365 * 86400) == pytest.approx(seconds, rel=3e-3)


def test_what_five_years_write() -> None:
    """80 layers of 8 KV heads at 3 tokens a second: 155 TB (the paper, arXiv 2512.03608, says 143), 1.2k cycles on 8 x 16 GB.

    With 64 KV heads, as the model has that the paper names (LLaMA-65B), eight times that.
    """
    grouped, all_heads = (
        written_per_token(mapping(layers=80, head_groups=groups)).size * 3 * 5 * 365 * 86400 for groups in (8, 64)
    )
    assert float(grouped) == pytest.approx(155.0e12, rel=1e-3)
    assert float(grouped) == pytest.approx(143e12, rel=0.09)
    assert float(all_heads) == pytest.approx(1.24e15, rel=1e-3)
    assert [round(float(size / (128 * 10**9))) for size in (grouped, all_heads)] == [1211, 9688]


def test_page_reads_of_a_block_between_rewrites() -> None:
    """Full pages once a token each; scattered vectors once each, 16 a page, and once more for each query head served alone."""
    most = 768 * 1000
    assert block_reads(mapping(), 1000, 768) == most
    scattered = mapping("token-major", layers=80, head_groups=8)
    assert block_reads(scattered, 1000, 768) == 16 * most
    assert block_reads(scattered, 1000, 768, alone=8) == 128 * most
    # A page with air is read as often as a full one.
    assert block_reads(mapping(buffer=8192), 1000, 768) == most


def test_tokens_wait_until_what_is_written_is_full() -> None:
    """A page in each plane of a head group: 4 KiB in 32 planes of 16 dies for 32 head groups, keys and values; or an eighth."""
    flash = {"model": "llama-2-7b", "page": "4 KiB", "planes": 32, "dies": 16, "layout": "head-grouped"}
    assert Params(**flash).waiting == 4096 * 512 // (2 * 32 * 256) == 128
    assert Params(**flash, buffer="8 KiB").waiting == 16
    # Where planes are fewer than streams of keys and of values, a page of each is filled all the same: 16 tokens of 256 B.
    assert Params(**flash | {"dies": 1, "planes": 1}).waiting == 16
    # Sequences share the buffer: eight of them leave each an eighth of it.
    assert Params(**flash, buffer="8 KiB", batch=8).mapping.written == Fraction(64)


def test_a_buffer_alone_is_refused() -> None:
    """It says how full pages are, so that there must be pages."""
    with pytest.raises(InputError, match=r"^buffer: found a buffer without page and layout, expected both"):
        Params(buffer="8 KiB", layout="head-grouped")


def test_traces_that_cannot_be_mapped_are_refused() -> None:
    """Whose bytes are not known, and those that lie in pieces already."""
    with pytest.raises(InputError, match=r"^size_unit: found blocks sized in tokens, expected whole blocks sized in bytes"):
        mapped(Trace.from_reads([[0]], sizes=16, size_unit="tokens"), mapping())
    with pytest.raises(InputError, match=r"^pieces: found blocks in pieces, expected whole blocks sized in bytes"):
        mapped(mapped(Trace.from_reads([[0]], sizes=512), mapping()), mapping())
