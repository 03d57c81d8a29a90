"""``trace.transforms`` of an instance: as ``trace transform`` before, by texts or tables; complaints name the key."""

from __future__ import annotations

from pathlib import Path

import pytest

import placement_opt as po
from placement_opt.base.errors import InputError, LimitError
from placement_opt.instance.outline import read_outline
from placement_opt.workload.synth import synthesize

HEAD = 'schema = 1\nname = "s"\n[memory]\npreset = "gh200"\nhbm.capacity = "40 KiB"\n[llm]\nkv_bytes = "1 KiB"\n[trace]\n'
DRAWN = 'synth = "drift"\nseed = 1\nlayers = 2\nprefill = 20\ntokens = 6\n'


def instance(folder: Path, trace: str) -> po.Instance:
    (folder / "s.toml").write_text(HEAD + trace)
    return po.load_instance(folder / "s.toml")


@pytest.mark.parametrize(
    "keys",
    [
        'transforms = ["page:tokens=4", "slice:start=2"]\n',
        'transforms = [{ name = "page", tokens = 4 }, { name = "slice", start = 2 }]\n',
        '[[trace.transforms]]\nname = "page"\ntokens = 4\n[[trace.transforms]]\nname = "slice"\nstart = 2\n',
    ],
)
def test_the_instance_is_that_of_the_transformed_trace(tmp_path: Path, keys: str) -> None:
    """However they are written, from a generator or a file: the same hash as of the trace made before."""
    trace = synthesize("drift", {"layers": 2, "prefill": 20, "tokens": 6}, 1)
    po.save_trace(trace, tmp_path / "t.npz")
    po.save_trace(po.transform(trace, "page:tokens=4", "slice:start=2"), tmp_path / "u.npz")
    wanted = instance(tmp_path, 'file = "u.npz"\n').hash
    assert instance(tmp_path, DRAWN + keys).hash == instance(tmp_path, 'file = "t.npz"\n' + keys).hash == wanted
    assert read_outline(tmp_path / "s.toml").source.what == "read from t.npz, transformed (page, slice)"


def test_from_python_and_in_overrides(tmp_path: Path) -> None:
    """As a key like any other, which a study may set."""
    (tmp_path / "s.toml").write_text(HEAD + DRAWN)
    cut = po.load_instance(tmp_path / "s.toml", {"trace.transforms": ["slice:stop=4"]})
    assert cut.num_steps == 4
    keys = {"synth": "drift", "seed": 1, "layers": 2, "prefill": 20, "tokens": 6, "transforms": ["slice:stop=4"]}
    made = po.build_instance({"preset": "gh200", "hbm.capacity": "40 KiB"}, keys, llm={"kv_bytes": "1 KiB"})
    assert made.hash == cut.hash


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('transforms = "page"\n', "found 'page', expected a list of transforms such as [\"page:tokens=16\"]"),
        ("transforms = [3]\n", 'found 3, expected a transform such as "page:tokens=16"'),
        ('transforms = ["pages"]\n', "found transform 'pages', did you mean 'page'?"),
        ('transforms = ["page:tokens=0"]\n', "page.tokens: found 0, expected a whole number from 1 to 65535"),
        ('transforms = [{ name = "page", tokens = "4" }]\n', "page.tokens: found '4', expected a whole number from 1"),
        ('transforms = [{ tokens = 4 }]\n', "found transform None, expected one of page"),
        ('transforms = ["merge"]\n', "found merge, expected transforms of one trace; trace transform joins several"),
        ('transforms = ["slice:start=12"]\n', "slice.start: found 12, expected one of the 12 steps"),
    ],
)  # fmt: skip
def test_complaints_name_file_line_and_key(tmp_path: Path, keys: str, message: str) -> None:
    """And the transform and its parameter in what was found."""
    with pytest.raises(InputError) as error:
        instance(tmp_path, DRAWN + keys)
    assert str(error.value).startswith(f"{tmp_path / 's.toml'}:14: trace.transforms: {message}")


def test_what_has_no_room_is_not_made(tmp_path: Path) -> None:
    """The trace that is transformed is there, whole, before it is."""
    with pytest.raises(LimitError, match=r"trace: found room for .* of memory for .* reads that are transformed"):
        instance(tmp_path, DRAWN.replace("tokens = 6", "tokens = 2000000") + 'transforms = ["slice:stop=4"]\n')
