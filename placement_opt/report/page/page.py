"""Surveys as one HTML page, by the template beside this file."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Sequence
from importlib import resources

from placement_opt import __version__
from placement_opt.base.errors import InputError
from placement_opt.report.page.content import about
from placement_opt.report.page.folders import without_folders
from placement_opt.report.page.inline import printable
from placement_opt.report.picture import check_installed
from placement_opt.study.survey import Survey

#: Packages whose versions a result may depend on.
_PACKAGES = ("numpy", "highspy", "numba")


def check_page() -> None:
    """InputError where there is nothing to make a page with."""
    check_installed("pictures of the page", "-o")
    if importlib.util.find_spec("jinja2") is None:
        expected = "expected it to be installed: pip install 'placement-opt[report]'"
        raise InputError("found no jinja2, which fills in the page", expected, field="-o")


def page(surveys: Sequence[Survey], command: str) -> str:
    """The page; the same surveys and command give the same text.

    Parameters
    ----------
    surveys
        In the order in which they are shown.
    command
        What made them, shown without folders.
    """
    import jinja2
    from markupsafe import Markup

    said = {"command": without_folders(command), "versions": _versions()}
    told = [about(survey, n, said) for n, survey in enumerate(surveys, 1)]
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["drawn"] = Markup  # pictures alone: they are ours, and their texts are escaped as they are written
    template = resources.files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8")
    title = told[0].name if len(told) == 1 else f"{len(told)} instances"
    return printable(environment.from_string(template).render(title=title, instances=told)) + "\n"


def _versions() -> str:
    parts = [f"placement-opt {__version__}", f"Python {platform.python_version()}"]
    return ", ".join([*parts, *(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)])
