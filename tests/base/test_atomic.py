"""Outputs appear whole or not at all; inputs are regular files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest

from placement_opt.base import atomic as files
from placement_opt.base.atomic import (
    atomic_file,
    atomic_path,
    check_output,
    check_outputs,
    discard_drafts,
    open_regular,
    scratch_folder,
    write_bytes_atomic,
    write_text_atomic,
)
from placement_opt.base.errors import InputError


def test_bytes_and_text_arrive_as_they_are(tmp_path: Path) -> None:
    """Both writers put exactly their data under the name, line ends untouched, and leave nothing else behind."""
    write_bytes_atomic(tmp_path / "a", b"\x00\r\n\xff")
    write_text_atomic(tmp_path / "b", "tau ≤ 1\r\n")
    assert (tmp_path / "a").read_bytes() == b"\x00\r\n\xff"
    assert (tmp_path / "b").read_bytes() == "tau ≤ 1\r\n".encode()
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_new_file_has_ordinary_rights_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    """A new output gets the rights the umask leaves, one that replaces a file those of that file."""
    ordinary = tmp_path / "ordinary"
    ordinary.write_bytes(b"")
    write_bytes_atomic(tmp_path / "new", b"x")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)
    (tmp_path / "new").chmod(0o640)
    write_bytes_atomic(tmp_path / "new", b"y")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def fail_while_writing(place: Path, failure: type[BaseException]) -> None:
    with atomic_file(place) as handle:
        handle.write(b"half of the n")
        raise failure


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_failure_keeps_the_old_content(tmp_path: Path, failure: type[BaseException]) -> None:
    """When the writing block fails, by error or by Ctrl-C, the old file stays and no draft remains."""
    place = tmp_path / "a"
    place.write_bytes(b"old")
    with pytest.raises(failure):
        fail_while_writing(place, failure)
    assert place.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_old_content_is_seen_until_the_end(tmp_path: Path) -> None:
    """While the new content is written, the name still leads to the old."""
    place = tmp_path / "a"
    place.write_bytes(b"old")
    with atomic_file(place) as handle:
        handle.write(b"new")
        handle.flush()
        assert place.read_bytes() == b"old"
    assert place.read_bytes() == b"new"


def test_symbolic_link_is_written_through(tmp_path: Path) -> None:
    """An output that is a link replaces the file it leads to, and the link stays."""
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_bytes_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_folder_is_refused_as_output(tmp_path: Path) -> None:
    """A folder in the place of the output is an error that names it."""
    with pytest.raises(InputError) as caught:
        write_bytes_atomic(tmp_path, b"x")
    assert str(caught.value) == f"{tmp_path}: found a folder, expected the name of a file to write"


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    """An output in a folder that is not there is an error, and the folder is not made."""
    with pytest.raises(InputError) as caught:
        write_text_atomic(tmp_path / "none" / "a", "x")
    missing = tmp_path / "none"
    assert str(caught.value) == f"{missing / 'a'}: found no folder '{missing}', expected an existing folder to write to"
    assert not missing.exists()


def test_pipe_is_refused_as_output(tmp_path: Path) -> None:
    """A pipe (or device) in the place of the output is not replaced by a file."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="found something that is not a regular file, expected the name of a file to write"):
        check_output(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_impossible_names_are_refused(tmp_path: Path, name: str) -> None:
    """Names that the system cannot take are input errors, for output and for input."""
    with pytest.raises(InputError, match="found a file that cannot be written"):
        write_bytes_atomic(tmp_path / name, b"x")
    with pytest.raises(InputError, match="found a file that cannot be read"):
        open_regular(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_full_disk_keeps_the_old_content(tmp_path: Path) -> None:
    """When the system refuses to write more, that is an InputError, the old content stays and no draft remains."""
    place = tmp_path / "a"
    place.write_bytes(b"old")
    code = (
        "import resource, signal, sys\n"
        "from placement_opt.base.errors import InputError\n"
        "from placement_opt.base.atomic import write_bytes_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000))\n"
        "try:\n"
        "    write_bytes_atomic(sys.argv[1], bytes(100000))\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-B", "-c", code, str(place)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{place}: found a file that cannot be written (File too large), expected a place to write to\n"
    assert place.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_regular_file_is_opened_and_a_link_followed(tmp_path: Path) -> None:
    """Inputs may be regular files and links to them."""
    (tmp_path / "real").write_bytes(b"data")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("real", "link"):
        with open_regular(tmp_path / name) as handle:
            assert handle.read() == b"data"


def test_missing_input_is_named(tmp_path: Path) -> None:
    """A missing input is an error that names it."""
    with pytest.raises(InputError) as caught:
        open_regular(tmp_path / "none")
    assert str(caught.value) == f"{tmp_path / 'none'}: found no such file, expected an existing file"


def test_folders_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    """What is no regular file is refused without waiting for somebody to write into it."""
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(InputError, match="found something that is not a regular file, expected a file"):
            open_regular(place)


@pytest.mark.skipif(not os.path.isfile("/proc/self/status"), reason="needs a /proc")
def test_windows_into_the_kernel_are_refused() -> None:
    """What looks like a regular file and is made up when it is read (/proc/kmsg waits for the next message)."""
    with pytest.raises(InputError) as caught:
        open_regular("/proc/self/status")
    assert str(caught.value) == "/proc/self/status: found something that is not a regular file, expected a file"


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    """It holds its bytes: none."""
    (tmp_path / "empty").touch()
    with open_regular(tmp_path / "empty") as handle:
        assert handle.read() == b""


@pytest.mark.parametrize("read", [lambda file: file.read(1), lambda file: file.read(), lambda file: file.readline(9)])
def test_what_goes_wrong_in_the_middle_names_the_file(tmp_path: Path, read: Callable[[BinaryIO], bytes]) -> None:
    """An input/output error while a file is read is an error of that file."""
    (tmp_path / "a").write_bytes(bytes(10))
    handle = open_regular(tmp_path / "a")
    os.close(handle.fileno())
    with pytest.raises(InputError) as caught:
        read(handle)
    assert str(caught.value) == f"{tmp_path / 'a'}: found a file that cannot be read (Bad file descriptor), expected a file"
    with pytest.raises(OSError, match="Bad file descriptor"):
        handle.close()


def test_what_has_to_be_waited_for_is_no_file() -> None:
    """Where a file turned into a pipe after it was looked at, nobody waits for its other end."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with files._Input(reader, "pipe") as handle, pytest.raises(InputError, match="pipe: found something that is not a reg"):
        handle.readinto(bytearray(1))
    os.close(writer)


def test_a_file_that_others_write_takes_its_place(tmp_path: Path) -> None:
    """By name, with an ending that tells its kind; where there is none in the end, the old content stays."""
    place = tmp_path / "a"
    with atomic_path(place, ".kind") as draft:
        assert draft.name.endswith(".kind")
        draft.write_bytes(b"one")
    with pytest.raises(InputError, match="a: found a file that cannot be written"), atomic_path(place):
        pass  # nobody wrote anything
    assert place.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a"]


def test_folders_for_the_time_being_go_with_all_that_is_in_them(tmp_path: Path) -> None:
    """At the end of the block, and when the process is about to end in the middle of it."""
    with scratch_folder(tmp_path) as folder:
        (folder / "part").write_bytes(b"x")
    assert os.listdir(tmp_path) == []
    with scratch_folder(tmp_path) as folder, atomic_file(tmp_path / "a") as handle:
        (folder / "part").write_bytes(b"x")
        handle.write(b"half")
        discard_drafts()
        assert os.listdir(tmp_path) == []
        handle.close()
        with open(handle.name, "xb"):
            pass  # for the block's own end


def test_a_folder_for_the_time_being_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Where there is no place for it."""
    with pytest.raises(InputError, match="none: found a file that cannot be written"), scratch_folder(tmp_path / "none"):
        pass


def test_outputs_are_tried_and_found_without_a_trace(tmp_path: Path) -> None:
    """Options that were given lead to their places; nothing is left behind, no old content is touched."""
    (tmp_path / "old").write_bytes(b"old")
    places = check_outputs({"--a": tmp_path / "new", "--b": None, "--c": tmp_path / "old"}, [tmp_path / "none"])
    assert places == {"--a": Path(os.path.realpath(tmp_path / "new")), "--c": Path(os.path.realpath(tmp_path / "old"))}
    assert os.listdir(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == b"old"


@pytest.mark.parametrize("how", ["itself", "link", "hard"])
def test_an_input_is_refused_as_output(tmp_path: Path, how: str) -> None:
    """Whatever the name by which an output leads to an input, the option is named."""
    (tmp_path / "itself").write_bytes(b"")
    (tmp_path / "link").symlink_to("itself")
    (tmp_path / "hard").hardlink_to(tmp_path / "itself")
    with pytest.raises(InputError) as caught:
        check_outputs({"--csv": tmp_path / how}, [tmp_path / "none", tmp_path / "itself"])
    found = f"found an input of this command, '{tmp_path / 'itself'}', expected another file to write"
    assert str(caught.value) == f"{tmp_path / how}: --csv: {found}"


def test_two_options_for_one_file_are_refused(tmp_path: Path) -> None:
    """One output would overwrite the other."""
    with pytest.raises(InputError, match="--b: found the file of --a, expected another file"):
        check_outputs({"--a": tmp_path / "x", "--b": tmp_path / "." / "x"})


def test_an_empty_output_is_refused_by_its_option() -> None:
    """The empty name is not the working folder."""
    with pytest.raises(InputError) as caught:
        check_outputs({"--csv": ""})
    assert str(caught.value) == "--csv: found an empty name, expected the name of a file to write"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a /proc")
def test_an_unwritable_folder_is_found_before_the_work() -> None:
    """/proc takes no files, not even from those who may write anywhere."""
    with pytest.raises(InputError, match="--csv: found a file that cannot be written"):
        check_outputs({"--csv": "/proc/x.csv"})


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a /proc with a file that opens and cannot be read")
def test_every_reader_names_a_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """TOML, text, arrays and files of runs alike; the file is taken for one that is stored."""
    monkeypatch.setattr(files, "_is_stored", lambda _: True)
    from placement_opt.base.toml import read_toml
    from placement_opt.instance.start import load_initial
    from placement_opt.workload.files.npz import load_trace
    from placement_opt.workload.files.runs import is_runs_file
    from placement_opt.workload.formats import READERS

    initial = partial(load_initial, tiers=1, blocks=1)
    for reader in (read_toml, load_trace, is_runs_file, initial, *READERS.values()):
        with pytest.raises(InputError) as caught:
            reader("/proc/self/mem")  # type: ignore[operator]
        assert str(caught.value).startswith("/proc/self/mem: found ")


def test_an_open_file_knows_its_name(tmp_path: Path) -> None:
    """Not the number of its descriptor, which no message could name."""
    (tmp_path / "x").write_bytes(b"abc")
    with open_regular(tmp_path / "x") as file:
        assert (file.name, file.read()) == (str(tmp_path / "x"), b"abc")
