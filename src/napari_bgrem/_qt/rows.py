"""Rows: labels and texts beside each other, rewritten in place."""

from collections.abc import Mapping, Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QWidget

from napari_bgrem._qt.label import Label
from napari_bgrem.unmarked import unmarked

__all__ = ["Rows"]

LONG = 26
"""Letters from which a label is wrapped, lest it leaves the text no room."""


class Rows(QWidget):
    """Pairs of a label and a text that can be copied.

    Parameters
    ----------
    about : mapping of str to str, optional
        What labels mean, by label; shown as tooltips.
    parent : QWidget, optional
        As in Qt.
    """

    def __init__(
        self, about: Mapping[str, str] | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._about = about or {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(1, 1)
        # napari pads labels, which is much for many rows.
        self.setStyleSheet("QLabel { padding: 0px; margin: 0px; }")
        self._pairs: list[tuple[Label, Label]] = []
        self._shown: tuple[tuple[str, str], ...] = ()

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """What is shown."""
        return self._shown

    def show_rows(
        self,
        rows: Sequence[tuple[str, str]],
        about: Mapping[str, str] | None = None,
    ) -> None:
        """Show pairs in place of what was shown; labels are made once."""
        self._about = self._about if about is None else about
        self._shown = tuple(rows)
        while len(self._pairs) < len(rows):
            self._add()
        for k, (label, text) in enumerate(self._pairs):
            if k < len(rows):
                label.setText(rows[k][0])
                label.setWordWrap(len(rows[k][0]) > LONG)
                text.setText(rows[k][1])
                text.setAccessibleName(rows[k][0])
                for one in (label, text):
                    one.setToolTip(unmarked(self._about.get(rows[k][0], "")))
            label.setVisible(k < len(rows))
            text.setVisible(k < len(rows))

    def _add(self) -> None:
        label, text = Label(), Label()
        for one in (label, text):
            one.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        text.setWordWrap(True)
        text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        row = len(self._pairs)
        self._grid.addWidget(label, row, 0)
        self._grid.addWidget(text, row, 1)
        self._pairs.append((label, text))
