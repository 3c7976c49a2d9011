"""Run bar: Preview, Run and Cancel, and how far it is."""

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_bgrem._qt.label import Label

if TYPE_CHECKING:
    from bgrem_core.pace import Pace

__all__ = ["RunBar"]


class RunBar(QWidget):
    """Buttons that start and stop, a bar, and a line that says what is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.preview = QPushButton("Pr&eview")
        self.preview.setToolTip(
            "Work on what is in view, with the noise of the whole frame"
        )
        self.run = QPushButton("&Run")
        self.run.setToolTip("Work on the whole frame; what is in view comes first")
        self.cancel = QPushButton("Ca&ncel")
        self.cancel.setToolTip("Stop after the tile at work; what was done stays")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress")
        self.line = Label()
        self.line.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        for button in (self.preview, self.run, self.cancel):
            row.addWidget(button)
        layout.addLayout(row)
        layout.addWidget(self.bar)
        layout.addWidget(self.line)
        self._said = False
        self.set_busy(job="")

    def set_busy(self, *, job: str, ready: bool = True) -> None:
        """Show what is at work ("" = nothing) and whether something can start."""
        self.preview.setEnabled(not job and ready)
        self.run.setEnabled(not job and ready)
        self.cancel.setEnabled(bool(job))
        self.bar.setVisible(bool(job))
        if job:
            # Busy without a share, until the first step is told.
            self.bar.setRange(0, 0)
            self.line.setText("Starting")
            self._said = False
        elif not self._said:
            self.line.clear()
        self.line.setVisible(bool(self.line.text()))

    def show_pace(self, pace: "Pace") -> None:
        """Show how far a stage is."""
        self.bar.setRange(0, 1000)
        self.bar.setValue(round(1000 * pace.share))
        self.line.setText(pace.text())

    def say(self, text: str, *, stay: bool = True) -> None:
        """Show a line, which stays until the next job or as long as this one."""
        self.line.setText(text)
        self.line.setVisible(bool(text))
        self._said = stay
