"""Table: sources that can be sorted, walked with the keys, and copied."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QTableView

from bgrem_core.words import DEFAULT
from napari_bgrem._qt.table_model import SourceModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable
    from qtpy.QtGui import QKeyEvent
    from qtpy.QtWidgets import QWidget

    from bgrem_core.inspection import Inspection
    from bgrem_core.words import Words

__all__ = ["SourceTable"]


class SourceTable(QTableView):
    """Sources as a table that can be sorted, walked with the keys, and copied.

    Parameters
    ----------
    parent : QWidget, optional
        As in Qt.

    Attributes
    ----------
    selected : Signal(int)
        The user chose a row; its number in the catalogue, clicked ones behind.
    """

    selected = Signal(int)

    def __init__(self, parent: "QWidget | None" = None) -> None:
        super().__init__(parent)
        self.sources = SourceModel(self)
        self.setModel(self.sources)
        self.setAccessibleName("Sources")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setWordWrap(False)
        self.setCornerButtonEnabled(False)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        upright = self.verticalHeader()
        upright.hide()
        # One height for all: Qt else asks every row.
        upright.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        upright.setDefaultSectionSize(self.fontMetrics().height() + 6)
        self.horizontalHeader().setResizeContentsPrecision(50)
        self.horizontalHeader().setSectionsMovable(True)
        self._quiet = False
        self.selectionModel().currentRowChanged.connect(self._on_current)

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
        self._quiet = True
        try:
            self.sources.fill(table, clicked, own, words)
        finally:
            self._quiet = False
        self._fit()

    def append(self, inspection: "Inspection") -> int:
        """Add a clicked source; return its row."""
        row = self.sources.append(inspection)
        if row == 0:
            self._fit()
        return row

    def select(self, row: int | None) -> None:
        """Select a row and bring it into view, without saying so; None = none."""
        self._quiet = True
        try:
            if row is None or not 0 <= row < self.sources.rowCount():
                self.clearSelection()
                return
            index = self.sources.index(self.sources.place_of(row), 0)
            # Not selectRow, which heeds keys that are held down.
            how = QItemSelectionModel.SelectionFlag
            self.selectionModel().setCurrentIndex(index, how.ClearAndSelect | how.Rows)
            self.scrollTo(index)
        finally:
            self._quiet = False

    def copy(self) -> None:
        """Put the selected rows on the clipboard, all if none is selected."""
        chosen = sorted(index.row() for index in self.selectionModel().selectedRows())
        places = chosen or range(self.sources.rowCount())
        text = self.sources.as_text([self.sources.row_at(k) for k in places])
        QApplication.clipboard().setText(text)

    def keyPressEvent(self, event: "QKeyEvent") -> None:  # noqa: N802 - Qt says so
        """Copy on the key for copying; all else is Qt's."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
            event.accept()
        else:
            super().keyPressEvent(event)

    def _fit(self) -> None:
        """Fit the columns to what is in view, and hide those that say nothing."""
        for column, shown in enumerate(self.sources.shown):
            self.setColumnHidden(column, not self.sources.says(shown.name))
        self.resizeColumnsToContents()

    def _on_current(self, current: Any) -> None:
        if current.isValid() and not self._quiet:
            self.selected.emit(self.sources.row_at(current.row()))
