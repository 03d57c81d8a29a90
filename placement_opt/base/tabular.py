"""Results as records: rows of plain values, for tables in notebooks and for pandas."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from placement_opt.base.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Record = dict[str, Any]


class Tabular(ABC):
    """What has :meth:`to_records` is shown as a table in notebooks, and becomes a data frame."""

    @abstractmethod
    def to_records(self) -> list[Record]:
        """A dictionary of plain values for each row, all with the same keys."""

    def to_pandas(self) -> pd.DataFrame:
        """The records as a ``pandas.DataFrame`` (pandas is an extra: ``pip install placement-opt[pandas]``).

        Returns
        -------
        pandas.DataFrame
            One row a record, one column a key.

        Raises
        ------
        InputError
            There is no pandas.

        Examples
        --------
        >>> po.Trace.from_reads([[0], [0]]).to_pandas()  # doctest: +SKIP
           steps  blocks  reads  size size_unit
        0      2       1      2     1     bytes
        """
        try:
            import pandas as pd
        except ImportError:
            expected = "expected it beside this package: pip install placement-opt[pandas], or use to_records()"
            raise InputError("found no pandas", expected) from None

        return pd.DataFrame.from_records(self.to_records())

    def _repr_html_(self) -> str:
        return html_table(self.to_records())


def html_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Records as an HTML table; None is an empty cell, numbers have six digits."""
    if not records:
        return "<table></table>"
    head = "".join(f"<th>{html.escape(str(key))}</th>" for key in records[0])
    rows = ["".join(f"<td>{_cell(value)}</td>" for value in record.values()) for record in records]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return html.escape(f"{value:.6g}" if isinstance(value, float) else str(value))
