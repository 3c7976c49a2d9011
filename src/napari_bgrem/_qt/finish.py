"""Finish panel: what can be done with a result: search, inspect, save, a script."""

from contextlib import suppress

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QPushButton, QVBoxLayout, QWidget

from bgrem_core.controls import controls
from bgrem_core.errors import BGRemError
from bgrem_core.settings import FindSettings
from napari_bgrem._qt.form import SettingsForm

__all__ = ["FinishPanel"]

SHOWN = ("threshold", "deep")
"""Settings of the search that are shown; the others keep their defaults."""


class FinishPanel(QWidget):
    """Settings of the search, and four buttons."""

    settings_changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.form = SettingsForm(c for c in controls(FindSettings) if c.name in SHOWN)
        self.find = QPushButton("Find s&ources")
        self.inspect = QPushButton("&Inspect...")
        self.save = QPushButton("&Save...")
        self.python = QPushButton("Copy as P&ython")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form)
        grid = QGridLayout()
        for k, button in enumerate((self.find, self.inspect, self.save, self.python)):
            grid.addWidget(button, k // 2, k % 2)
        layout.addLayout(grid)
        self.form.changed.connect(self._tell)

    def settings(self) -> FindSettings:
        """Return the settings of the search.

        Raises
        ------
        UsageError
            Something typed is no such thing, or out of range.
        """
        return FindSettings(**self.form.values())

    def set_ready(self, *, result: bool) -> None:
        """Enable what a result makes possible; the inspector opens without one."""
        for button in (self.find, self.save, self.python):
            button.setEnabled(result)

    def _tell(self) -> None:
        with suppress(BGRemError):
            self.settings_changed.emit(self.settings())
