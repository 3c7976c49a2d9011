"""Table: sources as rows of a data frame, found and then clicked."""

from typing import TYPE_CHECKING, Any

import numpy as np

from bgrem_core.inspection_rows import flag_words
from bgrem_core.sexagesimal import sexagesimal
from bgrem_core.words import DEFAULT

if TYPE_CHECKING:
    import pandas as pd
    from itables.widget import ITable
    from numpy.typing import NDArray

    from bgrem_core.collected import Collected

__all__ = ["frame_of", "make_table", "update_table"]

PAGE = 10
"""Rows that are shown at once."""
_LOOK: "dict[str, Any]" = {
    "classes": "display compact nowrap",
    "showIndex": False,
    # A unit is a word of a header, whatever a user allows in tables elsewhere.
    "allow_html": False,
    "select": "single",
    "maxBytes": 0,
    "pageLength": PAGE,
    "lengthMenu": [10, 25, 100],
}


def make_table() -> "ITable":
    """Return an empty table widget."""
    from itables.widget import ITable

    return ITable(frame_of(None), **_LOOK)


def update_table(table: "ITable", collected: "Collected | None") -> None:
    """Show sources in place of what a table shows; nothing is selected then."""
    table.update(frame_of(collected), selected_rows=[], **_LOOK)


def frame_of(collected: "Collected | None") -> "pd.DataFrame":
    """Return sources as a data frame of what a person reads.

    Parameters
    ----------
    collected : Collected or None
        What is known.

    Returns
    -------
    pandas.DataFrame
        In the order of `Collected.positions`; digits as far as they mean something.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    own = () if collected is None else collected.columns
    words = DEFAULT if collected is None else collected.words
    found = _found(collected)
    clicked = _clicked(collected)
    unit = _unit(collected)
    for name, title, decimals in (*_COLUMNS, *own):
        values = np.concatenate([found[name], clicked[name]])
        if name in _SHAPES and own and not np.isfinite(values).any():
            continue
        head = f"{title} ({unit})" if unit and title in _FLUXES else title
        head = head.format(left=words[1].lower())
        columns[head] = _rounded(values, decimals)
    ra, dec = (np.concatenate([found[n], clicked[n]]) for n in ("ra", "dec"))
    if np.isfinite(ra).any():
        places = [_place(*at) for at in zip(ra, dec, strict=True)]
        columns["RA"] = [first for first, _ in places]
        columns["Dec"] = [second for _, second in places]
    flags = np.concatenate([found["flags"], clicked["flags"]])
    columns["Flags"] = [flag_words(int(f)) for f in flags]
    return pd.DataFrame(columns)


_COLUMNS: "tuple[tuple[str, str, int | None], ...]" = (
    ("id", "id", 0),
    ("x", "x", 2),
    ("y", "y", 2),
    ("flux", "Flux", None),
    ("flux_err", "Error", None),
    ("snr", "S/N", 1),
    ("fwhm", "FWHM", 2),
    ("flux_cleaned", "Flux {left}", None),
)
_SHAPES = ("fwhm", "flux_cleaned")
"""Columns that a method with some of its own may leave empty."""
_FLUXES = ("Flux", "Error", "Flux {left}")
_NAMES = (*(name for name, _, _ in _COLUMNS), "ra", "dec", "flags")


def _found(collected: "Collected | None") -> "dict[str, NDArray[Any]]":
    table = None if collected is None else collected.table
    own = () if collected is None else collected.columns
    names = (*_NAMES, *(name for name, *_ in own))
    if table is None:
        return {name: np.zeros(0) for name in names}
    unknown = np.full(len(table), np.nan)
    columns = set(table.colnames)
    return {name: _plain(table[name]) if name in columns else unknown for name in names}


def _clicked(collected: "Collected | None") -> "dict[str, NDArray[Any]]":
    seen = [] if collected is None else collected.clicked
    made = {n: np.array([getattr(s, n) for s in seen]) for n in _NAMES if n != "id"}
    for name, *_ in () if collected is None else collected.columns:
        made[name] = np.array([s.own.get(name, np.nan) for s in seen], np.float64)
    # Numbers below zero: clicked, not found.
    return {**made, "id": -np.arange(1, len(seen) + 1)}


def _plain(column: Any) -> "NDArray[Any]":
    return np.asarray(getattr(column, "value", column))


def _unit(collected: "Collected | None") -> str:
    return "" if collected is None else collected.flux_unit


def _rounded(values: "NDArray[Any]", decimals: int | None) -> "NDArray[Any]":
    """Return values with as many decimals, or with four digits where None is said."""
    if decimals == 0:
        return values.astype(int)
    values = values.astype(np.float64)
    if decimals is not None:
        return np.round(values, decimals)
    return np.array([float(f"{v:.4g}") for v in values], np.float64)


def _place(ra: float, dec: float) -> tuple[str, str]:
    if not np.isfinite(ra + dec):
        return "", ""
    first, second = sexagesimal(ra, dec).split()
    return first, second
