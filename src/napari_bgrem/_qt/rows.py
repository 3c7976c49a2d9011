"""Rows: labels and texts beside each other, rewritten in place."""

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

__all__ = ["Rows"]


class Rows(QWidget):
    """Pairs of a label and a text that can be copied."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(10)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 2)
        self._grid.setColumnStretch(1, 3)
        # napari pads labels, which is much for many rows.
        self.setStyleSheet("QLabel { padding: 0px; margin: 0px; }")
        self._pairs: list[tuple[QLabel, QLabel]] = []
        self._shown: tuple[tuple[str, str], ...] = ()

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """What is shown."""
        return self._shown

    def show_rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show pairs in place of what was shown; labels are made once."""
        self._shown = tuple(rows)
        while len(self._pairs) < len(rows):
            self._add()
        for k, (label, text) in enumerate(self._pairs):
            if k < len(rows):
                label.setText(rows[k][0])
                text.setText(rows[k][1])
                text.setAccessibleName(rows[k][0])
            label.setVisible(k < len(rows))
            text.setVisible(k < len(rows))

    def _add(self) -> None:
        label, text = QLabel(), QLabel()
        for one in (label, text):
            one.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            one.setWordWrap(True)
        text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        row = len(self._pairs)
        self._grid.addWidget(label, row, 0)
        self._grid.addWidget(text, row, 1)
        self._pairs.append((label, text))
