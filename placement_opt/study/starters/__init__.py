"""Starter files: an instance, its memory file and what else it names, commented, for a situation that people are in.

What they say is in the folders beside this file (code as ``.txt``, so that nothing takes it for a part of the package); the
memory file is the text of a preset, to be changed.
"""

from __future__ import annotations

from pathlib import Path

from placement_opt.base.atomic import atomic_file, check_output
from placement_opt.base.errors import InputError, named

_HERE = Path(__file__).parent
#: Situation -> what it is, the preset that its memory file begins as.
SITUATIONS = {
    "csv": ("a table of which step reads which block, on HBM and LPDDR", "gh200"),
    "requests": ("a log of requests with block ids (Mooncake's form), on HBM, DRAM and NVMe", "h100-nvme5"),
    "model": ("a language model and no trace: sparse attention that drifts", "gh200"),
    "policy": ("a scheduler of your own beside the bound", "gh200"),
    "flash": ("flash that computes where its data lie", "kvnand-d"),
}
MEMORY = "memory.toml"


def write_starter(situation: str, folder: str | Path) -> list[Path]:
    """The files of a situation, into a folder that is made where it is not there.

    Parameters
    ----------
    situation
        One of ``SITUATIONS``.
    folder
        Its parent must exist.

    Returns
    -------
    list of Path
        What was written; the instance first.

    Raises
    ------
    InputError
        No such folder can be made, or one of the files is there already: nothing is written then, or overwritten.
    """
    from placement_opt.memory.files import preset_text  # not needed to say what there is

    _, preset = SITUATIONS[situation]
    sources = sorted(path for path in (_HERE / situation).iterdir() if path.is_file())
    target = Path(folder)
    targets = [target / path.name.removesuffix(".txt") for path in sources] + [target / MEMORY]
    for path in targets:
        if path.exists():
            raise InputError("found a file of this name", "expected a folder without it (nothing is overwritten)", path=path)
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        why = f"found no way to make the folder ({error.strerror})"
        raise InputError(why, f"expected a place in an existing folder, not {named(target)!r}") from None
    texts = [path.read_bytes() for path in sources] + [preset_text(preset).encode("utf-8")]
    for path, text in zip(targets, texts, strict=True):
        check_output(path)
        with atomic_file(path) as handle:
            handle.write(text)
    return sorted(targets, key=lambda path: (path.name != "instance.toml", path.name))
