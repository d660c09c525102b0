"""Rows as pandas tables with stated columns: what is unknown is missing, never zero or False."""

from collections.abc import Iterable, Mapping
from typing import Any

# Nullable types where a value may be unknown: pandas would turn a whole number or a boolean beside a gap into a float.
TEXT, WHOLE, YES_NO = "string", "Int64", "boolean"
NUMBER, TIME = "float64", "datetime64[ns, UTC]"  # these have a value for what is unknown


def frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> Any:
    """A pandas.DataFrame of these columns, in their order and of their types; what a row has beside them is left out.

    Rows may lack a column, and may be none at all: columns and types are always the same.
    """
    import pandas as pd  # noqa: PLC0415  0.5 s, which `import evalkit.api` need not pay

    found = list(rows)
    return pd.DataFrame(
        {name: pd.Series([row.get(name) for row in found], dtype=kind) for name, kind in columns.items()}
    )
