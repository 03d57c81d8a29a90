"""The one small family of errors.

Every error that a user can cause derives from :class:`PlacementError` and carries the exit code the command line ends with.
"""

from __future__ import annotations

from datetime import date, time
from os import PathLike, fspath


def shown(value: object) -> str:
    """A value as messages show it: its ``repr``, cut where it is too long to read; lists, tables and dates in words."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    if isinstance(value, date | time):
        return f"the date or time {value.isoformat()}"
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print integers of thousands of digits
        return f"a value of type {type(value).__name__} too long to print"
    return text if len(text) <= 60 else f"{text[:57]}..."


def named(path: str | PathLike[str]) -> str:
    """A file's name as messages show it: as it is, its middle left out where it is longer than any that a system takes."""
    name = fspath(path)
    return name if len(name) <= 1000 else f"{name[:490]}...{name[-490:]}"


class PlacementError(Exception):
    """Base class of all errors that a user can cause.

    Attributes
    ----------
    exit_code
        What the command line ends with.

    Examples
    --------
    >>> try:
    ...     po.make_scheduler("lur")
    ... except po.PlacementError as error:
    ...     print(error.exit_code, error)
    2 scheduler: found scheduler 'lur', did you mean 'lru'?
    """

    exit_code = 2


class InputError(PlacementError):
    """A file or an argument is not what it should be.

    Rendered as ``FILE:LINE: FIELD: found, expected``; parts that are unknown are left out.

    Parameters
    ----------
    found
        What was there, in words ("found 'abc'").
    expected
        What should have been there ("expected a size such as \"80 GiB\"").
    path, line, field
        Where: the file, its 1-based line, and the key, column or array.

    Examples
    --------
    >>> try:
    ...     po.Trace.from_reads([[0, -1]])
    ... except po.InputError as error:
    ...     print(error)
    reads[0]: found -1, expected ids from 0 and below 2**31
    >>> (error := po.InputError("found 5", "expected a size", path="a.toml", line=3)).exit_code
    2
    >>> print(error)
    a.toml:3: found 5, expected a size
    """

    def __init__(
        self,
        found: str,
        expected: str = "",
        *,
        path: str | PathLike[str] | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.found = found
        self.expected = expected
        self.path = None if path is None else fspath(path)
        self.line = line
        self.field = field
        super().__init__(found)

    def __str__(self) -> str:
        where = ""
        if self.path is not None:
            where = f"{named(self.path)}:" if self.line is None else f"{named(self.path)}:{self.line}:"
        parts = [part for part in (where.removesuffix(":"), self.field) if part]
        head = ": ".join(parts)
        body = f"{self.found}, {self.expected}" if self.expected else self.found
        return f"{head}: {body}" if head else body

    def at(
        self,
        *,
        path: str | PathLike[str] | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> InputError:
        """The same error with the missing parts of its place filled in.

        Parameters
        ----------
        path, line, field
            As of the error; what it has already stays.

        Returns
        -------
        InputError
            Another error.

        Examples
        --------
        >>> print(po.InputError("found 5", "expected a size", field="capacity").at(path="a.toml"))
        a.toml: capacity: found 5, expected a size
        """
        return InputError(
            self.found,
            self.expected,
            path=self.path if self.path is not None else path,
            line=self.line if self.line is not None else line,
            field=self.field if self.field is not None else field,
        )


class ScheduleError(PlacementError):
    """A scheduler did something the rules forbid; names the step and, where there is one, the block.

    Never repaired silently: a schedule is timed only if every action of it is legal.

    Parameters
    ----------
    message
        What it did.
    scheduler, step, block
        Who, when and to which block, where that is known.

    Examples
    --------
    >>> print(error := po.ScheduleError("stored to hbm, but not read", scheduler="mine", step=3, block=7))
    scheduler mine, step 3, block 7: stored to hbm, but not read
    >>> error.exit_code
    1
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        scheduler: str = "",
        step: int | None = None,
        block: int | None = None,
    ) -> None:
        self.message, self.scheduler, self.step, self.block = message, scheduler, step, block
        super().__init__(message)

    def __str__(self) -> str:
        parts = [f"scheduler {self.scheduler}"] if self.scheduler else []
        if self.step is not None:
            parts.append(f"step {self.step}")
        if self.block is not None:
            parts.append(f"block {self.block}")
        return ": ".join([", ".join(parts), self.message]) if parts else self.message


class BudgetError(ScheduleError):
    """Every move was legal, but no split of the reads was found that keeps the budgets; says by how much one is passed."""


class CertificateError(PlacementError):
    """A certificate is damaged, belongs to another instance, or does not prove what it claims; says what and where.

    Parameters
    ----------
    message
        What is wrong, in numbers.
    step, block
        Where, if it is somewhere.
    path
        The file.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        step: int | None = None,
        block: int | None = None,
        path: str | PathLike[str] | None = None,
    ) -> None:
        self.message, self.step, self.block = message, step, block
        self.path = None if path is None else fspath(path)
        super().__init__(message)

    def __str__(self) -> str:
        where = [f"{what} {number}" for what, number in (("step", self.step), ("block", self.block)) if number is not None]
        name = None if self.path is None else named(self.path)
        return ": ".join(part for part in (name, ", ".join(where), self.message) if part)

    def at(self, path: str | PathLike[str]) -> CertificateError:
        """The same error with the file filled in where it is missing."""
        return CertificateError(self.message, step=self.step, block=self.block, path=self.path or path)


class LimitError(PlacementError):
    """No answer within the limits given (time, memory, size): exit code 3.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> try:
    ...     po.simulate(instance, po.make_scheduler("lru"), limits=po.Limits(seconds=0))
    ... except po.LimitError as error:
    ...     print(error.exit_code, error)
    3 lru had done 0 of 3 steps when its time was up
    """

    exit_code = 3


class Interrupted(PlacementError):
    """Ctrl-C arrived; what was proven until then has been reported: exit code 130.

    Examples
    --------
    >>> trace = po.Trace.from_reads([[0, 1], [1], [0]], sizes=4_500_000)
    >>> instance = po.build_instance({"preset": "gh200", "hbm.capacity": "4.5 MB"}, trace, rules={"residency": "free"})
    >>> limits = po.Limits()
    >>> limits.interrupt()
    >>> try:
    ...     po.simulate(instance, po.make_scheduler("lru"), limits=limits)
    ... except po.Interrupted as error:
    ...     print(error.exit_code, error)
    130 lru was stopped after 0 of 3 steps
    """

    exit_code = 130
