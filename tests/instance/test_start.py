"""Given starts: first-fit against a slow twin, and files that are believed only after every check."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from placement_opt.base.errors import InputError
from placement_opt.instance.rule import KEEPING, Residency
from placement_opt.instance.start import first_fit, load_initial, save_initial
from tests.small import chain, two_tier


def fit(residency: Residency, sizes: list[int], exists: list[bool], capacity: list[int]) -> list[list[int]]:
    """Tiers of each block, on a chain of tiers from fast to slow, the last the largest."""
    memory = chain([*capacity[:-1], 10**6], range(90, 90 - 10 * len(capacity), -10), range(50, 51 - len(capacity), -1))
    resident = first_fit(
        memory, memory.home if residency == "inclusive" else None, np.array(exists), np.array(sizes), np.array(capacity)
    )
    return [np.flatnonzero(column).tolist() for column in resident.T]


def slow_fit(residency: Residency, sizes: list[int], exists: list[bool], capacity: list[int]) -> list[list[int]] | None:
    """Block by block; None where one finds no room."""
    room, home = list(capacity), len(capacity) - 1
    result = []
    for size, there in zip(sizes, exists, strict=True):
        tiers: list[int] = []
        if there:
            places = [k for k in range(home if residency == "inclusive" else home + 1) if room[k] >= size]
            if places:
                room[places[0]] -= size
                tiers = [places[0]]
            if residency == "inclusive":
                tiers.append(home)
            if not tiers:
                return None
        result.append(tiers)
    return result


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    st.sampled_from(KEEPING),
    st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=12),
    st.lists(st.integers(0, 8), min_size=1, max_size=3),
    st.integers(0, 30),
)
def test_first_fit_equals_its_slow_twin(
    residency: Residency, blocks: list[tuple[int, bool]], small: list[int], large: int
) -> None:
    """Every initial block lies in the fastest tier that still has room; inclusive: and in the home tier."""
    sizes, exists = [size for size, _ in blocks], [there for _, there in blocks]
    expected = slow_fit(residency, sizes, exists, [*small, large])
    if expected is None:
        with pytest.raises(InputError, match="found no room left for block"):
            fit(residency, sizes, exists, [*small, large])
    else:
        assert fit(residency, sizes, exists, [*small, large]) == expected


def test_a_later_smaller_block_takes_the_room_an_earlier_one_could_not() -> None:
    """First fit looks at every tier anew for every block."""
    assert fit("exclusive", [3, 4, 2], [True] * 3, [5, 100]) == [[0], [1], [0]]


def test_a_fast_home_tier_holds_everything_once() -> None:
    """Where the home tier is the fastest, no other tier gets a copy."""
    memory = two_tier(hbm=10**12)
    resident = first_fit(memory, 0, np.array([True]), np.array([1]), np.array([10**12, 10**9]))
    assert resident.tolist() == [[True], [False]]


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_saved_is_loaded(tmp_path: Path, order: str) -> None:
    """A residency survives the file, in either memory order, and equal arrays make equal files."""
    resident = np.asarray(np.random.default_rng(0).random((3, 40)) < 0.5, order=order)
    for name in ("a.npz", "b.npz"):
        save_initial(resident, tmp_path / name)
    assert (load_initial(tmp_path / "a.npz", 3, 40) == resident).all()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_reads_what_numpy_saved(tmp_path: Path, save: object, order: str) -> None:
    """numpy.savez(path, resident=...) makes the same form."""
    resident = np.asarray(np.random.default_rng(0).random((2, 7)) < 0.5, order=order)
    save(tmp_path / "a.npz", resident=resident)  # type: ignore[operator]
    loaded = load_initial(tmp_path / "a.npz", 2, 7)
    assert loaded.dtype == np.bool_
    assert (loaded == resident).all()


def test_refuses_to_save_what_is_no_residency(tmp_path: Path) -> None:
    """Only bool of two axes is saved; nothing is left behind."""
    with pytest.raises(InputError, match="found int64 with 1 axes, expected bool of tiers x blocks"):
        save_initial(np.zeros(3, dtype=np.int64), tmp_path / "a.npz")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def _packed(data: bytes, name: str = "resident.npy") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, data)
    return out.getvalue()


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


class _Canary:
    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('a pickle was run')",))


GOOD = _npy(np.ones((2, 3), dtype=bool))
HOSTILE = {
    "empty": (b"", "found no readable NPZ (File is not a zip file), expected an initial residency"),
    "garbage": (b"garbage" * 20, "found no readable NPZ (File is not a zip file), expected an initial residency"),
    "cut off": (_packed(GOOD)[:100], "found no readable NPZ (File is not a zip file), expected an initial residency"),
    "flipped bit": (
        _packed(GOOD).replace(b"\n\x01\x01", b"\n\x01\x00"),
        "found no readable NPZ (Bad CRC-32 for file 'resident.npy'), expected an initial residency",
    ),
    "other name": (_packed(GOOD, "other.npy"), "resident: found the members 'other.npy', expected resident.npy alone"),
    "pickle": (
        _packed(_npy(np.array([[_Canary()]]))),
        "resident: found another kind of array, expected bool of tiers x blocks",
    ),
    "bare pickle": (_packed(pickle.dumps(_Canary())), "resident: found another kind of array, expected bool of tiers x blocks"),
    "integers": (_packed(_npy(np.ones((2, 3)))), "resident: found another kind of array, expected bool of tiers x blocks"),
    "one axis": (_packed(_npy(np.ones(6, bool))), "resident: found another kind of array, expected bool of tiers x blocks"),
    "transposed": (_packed(_npy(np.ones((3, 2), bool))), "resident: found 3 x 2, expected 2 tiers x 3 blocks"),
    "huge claim": (_packed(GOOD.replace(b"(2, 3)", b"(2, 9)")), "resident: found 2 x 9, expected 2 tiers x 3 blocks"),
    "too short": (_packed(GOOD[:-1]), "resident: found 5 bytes, the largest 1, expected 6 of 0 or 1"),
    "too long": (_packed(GOOD + b"\1"), "resident: found 7 bytes, the largest 1, expected 6 of 0 or 1"),
    "no boolean": (_packed(GOOD[:-1] + b"\7"), "resident: found 6 bytes, the largest 7, expected 6 of 0 or 1"),
    "no header": (_packed(b""), "resident: found another kind of array, expected bool of tiers x blocks"),
    "large": (_packed(GOOD + b"\0" * 10_000), "resident: found 10256 bytes, expected at most 4108"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_refuses_files_that_are_not_what_they_should_be(tmp_path: Path, case: str) -> None:
    """Each broken file is refused with its name and what is wrong; no pickle is run."""
    data, message = HOSTILE[case]
    path = tmp_path / "start.npz"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_initial(path, 2, 3)
    assert str(caught.value) == f"{path}: {message}"


def test_a_small_file_that_unpacks_to_much_is_read_no_further_than_needed(tmp_path: Path) -> None:
    """Of a mebibyte of zeros packed into a kilobyte, no more is unpacked than a header and six entries may take."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("resident.npy", GOOD + bytes(2**20))
    path = tmp_path / "start.npz"
    path.write_bytes(out.getvalue())
    with pytest.raises(InputError, match="found 3975 bytes, the largest 1, expected 6 of 0 or 1"):
        load_initial(path, 2, 3)


@pytest.mark.parametrize("cut", range(0, len(_packed(GOOD)), 7))
def test_every_truncation_is_an_input_error(tmp_path: Path, cut: int) -> None:
    """A file cut anywhere is refused, by InputError and nothing else."""
    path = tmp_path / "start.npz"
    path.write_bytes(_packed(GOOD)[:cut])
    with pytest.raises(InputError):
        load_initial(path, 2, 3)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(InputError, match=r"nothing\.npz: found no such file"):
        load_initial(tmp_path / "nothing.npz", 2, 3)
