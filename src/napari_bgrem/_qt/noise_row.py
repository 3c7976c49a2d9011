"""Noise row: sigma as it was measured, or as the user says."""

import math
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from bgrem_core.errors import UsageError
from bgrem_core.normalize import Scale
from napari_bgrem._qt.label import Label

__all__ = ["NoiseRow"]


class NoiseRow(QWidget):
    """Noise of the frame: measured, with a button for now, or typed."""

    measure = Signal()
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.by_hand = QCheckBox("by h&and")
        self.by_hand.setToolTip("Say the noise of a pixel instead of measuring it")
        self.line = QLineEdit()
        self.line.setPlaceholderText("sigma of a pixel")
        self.line.setAccessibleName("Noise sigma by hand")
        self.button = QPushButton("&Measure")
        self.button.setToolTip("Measure the noise of the frame now, without a run")
        self.told = Label("Noise is measured with the first run.")
        self.told.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(Label("Noise"))
        row.addWidget(self.by_hand)
        row.addWidget(self.line, 1)
        row.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self.told)
        self.by_hand.toggled.connect(self._switch)
        self.button.clicked.connect(self.measure)
        self.line.textChanged.connect(self.changed)
        self._switch(by_hand=False)

    def norm(self) -> float:
        """Return 1 / sigma, 0 to have it measured.

        Raises
        ------
        UsageError
            No positive number was typed.
        """
        if not self.by_hand.isChecked():
            return 0.0
        text = self.line.text().strip()
        try:
            sigma = float(text)
        except ValueError:
            sigma = math.nan
        if not (math.isfinite(sigma) and sigma > 0):
            raise UsageError(
                f"noise {text!r} is no positive number",
                hint="type the sigma of one pixel in the unit of the image, or switch "
                "'by hand' off",
            )
        return 1 / sigma

    def set_norm(self, norm: Any) -> None:
        """Show a factor that was chosen before."""
        self.by_hand.setChecked(bool(norm))
        if norm:
            self.line.setText(f"{1 / float(norm):.6g}")

    def show_scale(self, scale: Scale, unit: str) -> None:
        """Show what was measured."""
        unit = f" {unit}" if unit else ""
        words = [f"sigma {scale.median_sigma:.4g}{unit}"]
        words.append("typed" if scale.source == "-n" else f"from {scale.source}")
        if scale.source == "mesh":
            words[-1] = "measured"
        if scale.fwhm == scale.fwhm:
            words.append(f"FWHM {scale.fwhm:.2f} pix")
        if abs(scale.rho) >= 0.005:
            words.append(f"correlation {scale.rho:.2f}")
        text = ", ".join(words)
        self.told.setText(text + (" (uncertain)" if scale.uncertain else ""))

    def forget(self) -> None:
        """Show that nothing is measured yet."""
        self.told.setText("Noise is measured with the first run.")

    def _switch(self, by_hand: bool) -> None:  # noqa: FBT001 - Qt says so
        self.line.setVisible(by_hand)
        self.button.setVisible(not by_hand)
        self.changed.emit()
