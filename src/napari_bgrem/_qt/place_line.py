"""Place line: where to go, typed."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from bgrem_core.goto import EXAMPLES
from napari_bgrem._qt.label import Label

__all__ = ["PlaceLine"]


class PlaceLine(QWidget):
    """A line that takes a place, for those who do not click.

    Attributes
    ----------
    asked : Signal(str)
        Enter was pressed on a place.
    """

    asked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = Label("&Go to")
        self.edit = QLineEdit()
        self.label.setBuddy(self.edit)
        self.edit.setPlaceholderText("x, y or RA Dec")
        self.edit.setAccessibleName("Go to")
        about = (
            f"A place to read as a click does: {EXAMPLES}. Decimals alone are pixels"
        )
        self.edit.setToolTip(about)
        self.edit.setAccessibleDescription(about)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addWidget(self.edit, 1)
        self.edit.returnPressed.connect(self._ask)

    def _ask(self) -> None:
        # What is typed next replaces it.
        self.edit.selectAll()
        self.asked.emit(self.edit.text())
