"""Table model: sources as rows; of thousands only those in view are written."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt

from bgrem_core.columns import DESCRIPTIONS
from bgrem_core.display import format_value
from bgrem_core.inspection_rows import HELP, SIGNIFICANCE, flag_words, format_like
from bgrem_core.sexagesimal import sexagesimal
from bgrem_core.words import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from astropy.table import QTable
    from numpy.typing import NDArray
    from qtpy.QtWidgets import QWidget

    from bgrem_core.inspection import Inspection
    from bgrem_core.words import Words

    Column = NDArray[Any]

__all__ = ["COLUMNS", "NAMES", "SourceModel"]

NAMES = (
    "id", "x", "y", "ra", "dec", "flux", "flux_err", "snr", "fwhm", "flags",
    "flux_cleaned",
)  # fmt: skip
"""Columns that are kept, in the order in which they are copied."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """One column on the screen.

    Attributes
    ----------
    name : str
        The column that it is sorted by, and whose description is its tooltip.
    title : str
        At its head; its unit is added, and for ``{left}`` what is left is called.
    text : callable
        ``text(columns, row)`` writes a cell.
    """

    name: str
    title: str
    text: "Callable[[dict[str, Column], int], str]"


def _number(name: str, decimals: int) -> "Callable[[dict[str, Column], int], str]":
    def text(columns: "dict[str, Column]", row: int) -> str:
        value = float(columns[name][row])
        return f"{value:.{decimals}f}" if np.isfinite(value) else ""

    return text


def _label(columns: "dict[str, Column]", row: int) -> str:
    number = int(columns["id"][row])
    return str(number) if number > 0 else f"click {-number}"


def _sky(half: int) -> "Callable[[dict[str, Column], int], str]":
    def text(columns: "dict[str, Column]", row: int) -> str:
        ra, dec = (float(columns[name][row]) for name in ("ra", "dec"))
        return sexagesimal(ra, dec).split()[half] if np.isfinite(ra + dec) else ""

    return text


def _flux(columns: "dict[str, Column]", row: int) -> str:
    return format_value(float(columns["flux"][row]), float(columns["flux_err"][row]))


def _cleaned(columns: "dict[str, Column]", row: int) -> str:
    names = "flux_cleaned", "flux", "flux_err"
    return format_like(*(float(columns[name][row]) for name in names))


def _flags(columns: "dict[str, Column]", row: int) -> str:
    return flag_words(int(columns["flags"][row]))


COLUMNS = (
    _Shown("id", "id", _label),
    _Shown("x", "x", _number("x", 1)),
    _Shown("y", "y", _number("y", 1)),
    _Shown("flux", "Flux", _flux),
    _Shown("snr", "S/N", _number("snr", 1)),
    _Shown("fwhm", "FWHM", _number("fwhm", 2)),
    _Shown("flux_cleaned", "Flux {left}", _cleaned),
    _Shown("ra", "RA", _sky(0)),
    _Shown("dec", "Dec", _sky(1)),
    _Shown("flags", "Flags", _flags),
)
"""From what is read first to what is read last: a dock is narrow."""
_FIRST = 5
"""Columns that stand before those of a method."""
HEADS = {"flux": HELP["Flux"], "snr": HELP[SIGNIFICANCE], "ts": HELP["TS"]}
"""Tooltips of heads that say more than the description of a column."""
_FLUXES = ("flux", "flux_cleaned")


class SourceModel(QAbstractTableModel):
    """Sources of a catalogue, then those that were clicked, in any order.

    A row is known by its number in the catalogue, whatever the order on the screen;
    clicked sources are numbered behind.
    """

    def __init__(self, parent: "QWidget | None" = None) -> None:
        super().__init__(parent)
        self._columns = _columns([])
        self._order = np.zeros(0, np.intp)
        self._sorted = (-1, Qt.SortOrder.AscendingOrder)
        self._unit, self._left = "", DEFAULT[1].lower()
        self._about: dict[str, str] = {}
        self._own: tuple[str, ...] = ()
        self.shown: tuple[_Shown, ...] = COLUMNS

    def fill(
        self,
        table: "QTable | None",
        clicked: "Sequence[Inspection]" = (),
        own: "Sequence[tuple[str, str, int]]" = (),
        words: "Words" = DEFAULT,
    ) -> None:
        """Show a catalogue and clicked sources in place of what was shown.

        Parameters
        ----------
        table : QTable or None
            What `find_sources` returned.
        clicked : sequence of Inspection, optional
            Sources beside it.
        own : sequence of (str, str, int), optional
            Columns of the method: name, title, decimals.
        words : tuple of str, optional
            What the image, what is left and what was taken are called.
        """
        self.beginResetModel()
        self._unit = _unit_of(table, clicked)
        self._own = tuple(name for name, *_ in own)
        self._left, self._about = words[1].lower(), _descriptions(table)
        more = (_Shown(name, title, _number(name, n)) for name, title, n in own)
        self.shown = (*COLUMNS[:_FIRST], *more, *COLUMNS[_FIRST:])
        found = _columns([], own=self._own)
        if table is not None:
            found = _catalogue(table, self._own)
        seen = _columns(clicked, own=self._own)
        self._columns = {n: np.concatenate([found[n], seen[n]]) for n in self.names}
        self._order = self._sorted_rows()
        self.endResetModel()

    def append(self, inspection: "Inspection") -> int:
        """Add a clicked source at the end; return its row."""
        row = len(self._order)
        number = 1 + int(np.sum(self._columns["id"] < 0))
        more = _columns([inspection], first=number, own=self._own)
        self.beginInsertRows(QModelIndex(), row, row)
        self._unit = self._unit or inspection.flux_unit
        self._columns = {
            n: np.concatenate([self._columns[n], more[n]]) for n in self.names
        }
        self._order = np.append(self._order, row)
        self.endInsertRows()
        return row

    def row_at(self, place: int) -> int:
        """Return the row that is shown at a place, counted from the top."""
        return int(self._order[place])

    def place_of(self, row: int) -> int:
        """Return the place at which a row is shown."""
        return int(np.flatnonzero(self._order == row)[0])

    def position(self, row: int) -> tuple[float, float]:
        """Return x and y of a row, pixels, 0-based."""
        return float(self._columns["x"][row]), float(self._columns["y"][row])

    def nearest(self, x: float, y: float, within: float) -> int | None:
        """Return the row nearest to a position, None if it is farther than `within`."""
        if not len(self._order):
            return None
        away = np.hypot(self._columns["x"] - x, self._columns["y"] - y)
        row = int(np.argmin(np.where(np.isfinite(away), away, np.inf)))
        return row if away[row] <= within else None

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that are kept, in the order in which they are copied."""
        return (*NAMES, *self._own)

    def says(self, name: str) -> bool:
        """Whether a column has anything to say.

        Places on the sky may be unknown, shapes where a method has columns of its own.
        """
        optional = ("ra", "dec", *(("fwhm", "flux_cleaned") if self._own else ()))
        return name not in optional or bool(np.isfinite(self._columns[name]).any())

    def as_text(self, rows: "Sequence[int]") -> str:
        """Return rows as lines of values between tabs, under their names."""
        lines = ["\t".join(self.names)]
        for row in rows:
            values = (self._columns[name][row] for name in self.names)
            lines.append("\t".join(f"{value:.10g}" for value in values))
        return "\n".join(lines) + "\n"

    # What Qt asks.

    def rowCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt says so
        """Return the number of sources."""
        inside = parent is not None and parent.isValid()
        return 0 if inside else len(self._order)

    def columnCount(self, parent: Any = None) -> int:  # noqa: N802 - Qt says so
        """Return the number of columns."""
        inside = parent is not None and parent.isValid()
        return 0 if inside else len(self.shown)

    def data(self, index: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what Qt asks of a cell."""
        if not index.isValid():
            return None
        shown = self.shown[index.column()]
        row = self.row_at(index.row())
        if role == Qt.ItemDataRole.DisplayRole:
            return shown.text(self._columns, row)
        if role == Qt.ItemDataRole.ToolTipRole and shown.name == "flags":
            return shown.text(self._columns, row)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag
            across = side.AlignLeft if shown.name == "flags" else side.AlignRight
            return across | side.AlignVCenter
        return None

    def headerData(  # noqa: N802 - Qt says so
        self,
        section: int,
        orientation: Any,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Return what Qt asks of a head."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        shown = self.shown[section]
        if role == Qt.ItemDataRole.DisplayRole:
            unit = self._unit if shown.name in _FLUXES else ""
            title = shown.title.format(left=self._left)
            return f"{title} ({unit})" if unit else title
        if role == Qt.ItemDataRole.ToolTipRole:
            name = shown.name
            return self._about.get(name) or HEADS.get(name) or DESCRIPTIONS.get(name)
        return None

    def sort(self, column: int, order: Any = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; unknown values come last."""
        self.layoutAboutToBeChanged.emit()
        before = self._order
        self._sorted = (column, order)
        self._order = self._sorted_rows()
        place = np.empty(len(before), np.intp)
        place[self._order] = np.arange(len(before))
        old = self.persistentIndexList()
        moved = [self.index(int(place[before[k.row()]]), k.column()) for k in old]
        self.changePersistentIndexList(old, moved)
        self.layoutChanged.emit()

    def _sorted_rows(self) -> "NDArray[np.intp]":
        column, order = self._sorted
        rows = np.arange(len(self._columns["id"]))
        if not 0 <= column < len(self.shown):
            return rows
        values = self._columns[self.shown[column].name].astype(np.float64)
        if order == Qt.SortOrder.DescendingOrder:
            values = -values
        return np.argsort(values, kind="stable")


def _catalogue(table: "QTable", own: "Sequence[str]") -> "dict[str, Column]":
    """Return the columns of a catalogue, NaN where it has none."""
    unknown = np.full(len(table), np.nan)
    columns = {
        name: _plain(table[name]) if name in table.colnames else unknown
        for name in (*NAMES, *own)
    }
    if "id" not in table.colnames:
        columns["id"] = np.arange(1, len(table) + 1)
    if "flags" not in table.colnames:
        columns["flags"] = np.zeros(len(table), int)
    return columns


def _descriptions(table: "QTable | None") -> "dict[str, str]":
    """Return what the method says of columns, where that is not what all say."""
    if table is None:
        return {}
    said = {name: table[name].info.description for name in table.colnames}
    return {k: v for k, v in said.items() if v and v != DESCRIPTIONS.get(k)}


def _columns(
    clicked: "Sequence[Inspection]", first: int = 1, own: "Sequence[str]" = ()
) -> "dict[str, Column]":
    """Return columns of clicked sources; these have negative numbers."""
    columns: dict[str, Column] = {
        name: np.array([getattr(one, name) for one in clicked], np.float64)
        for name in NAMES
        if name not in ("id", "flags")
    }
    for name in own:
        values = [one.own.get(name, np.nan) for one in clicked]
        columns[name] = np.array(values, np.float64)
    columns["id"] = -np.arange(first, first + len(clicked))
    columns["flags"] = np.array([one.flags for one in clicked], int)
    return columns


def _plain(column: Any) -> "Column":
    return np.asarray(getattr(column, "value", column))


def _unit_of(table: "QTable | None", clicked: "Sequence[Inspection]") -> str:
    unit = None if table is None else getattr(table["flux"], "unit", None)
    if unit is not None:
        return str(unit)
    return clicked[0].flux_unit if clicked else ""
