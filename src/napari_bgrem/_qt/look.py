"""Look: how much noise is taken away, and how images are compared and stretched."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QWidget,
)

from bgrem_core.display import STRETCHES

if TYPE_CHECKING:
    from napari_bgrem.comparison import State

__all__ = ["LookPanel"]

LIMITS = {"auto": "", "ZScale": "zscale", "1 to 99.5 %": "percentile", "all": "minmax"}


class LookPanel(QWidget):
    """Strength, comparison, stretch and limits."""

    strength_moved = Signal(float)
    strength_settled = Signal(float)
    compare_asked = Signal()
    blink_asked = Signal()
    stretch_chosen = Signal(str)
    limits_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.compare = QPushButton("&Compare")
        self.compare.setCheckable(True)
        self.compare.setToolTip(
            "Original, cleaned and residual side by side (Shift-C); again: as it was"
        )
        self.blink = QPushButton("&Blink")
        self.blink.setToolTip("Original and cleaned in turn in one place (Shift-B)")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setValue(100)
        self.slider.setAccessibleName("Strength")
        self.slider.setToolTip(
            "Share of the noise that is taken away; works at once, without a run"
        )
        self.percent = QLabel("100 %")
        self.percent.setMinimumWidth(
            self.percent.fontMetrics().horizontalAdvance("100 %") + 4
        )
        self.gradient = QCheckBox("&Gradient only (keep the noise)")
        self.gradient.setToolTip("Take the sky away and leave all noise: strength 0")
        self.stretch = QComboBox()
        self.stretch.addItems(list(STRETCHES))
        self.stretch.setCurrentText("asinh")
        self.stretch.setToolTip("What lies between black and white")
        self.limits = QComboBox()
        for label, name in LIMITS.items():
            self.limits.addItem(label, name)
        self.limits.setToolTip("Which values become black and white")
        self._before = 100
        self._lay_out()
        self._wire()
        self.set_ready(result=False, strength=False)

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        both = QHBoxLayout()
        both.addWidget(self.compare)
        both.addWidget(self.blink)
        form.addRow(both)
        strength = QHBoxLayout()
        strength.addWidget(self.slider, 1)
        strength.addWidget(self.percent)
        form.addRow("Strength", strength)
        form.addRow(self.gradient)
        form.addRow("Stretch", self.stretch)
        form.addRow("Limits", self.limits)

    def _wire(self) -> None:
        self.compare.clicked.connect(self.compare_asked)
        self.blink.clicked.connect(self.blink_asked)
        self.slider.valueChanged.connect(self._moved)
        self.slider.sliderReleased.connect(self._settled)
        self.gradient.toggled.connect(self._keep_noise)
        self.stretch.activated.connect(
            lambda _: self.stretch_chosen.emit(self.stretch.currentText())
        )
        self.limits.activated.connect(
            lambda _: self.limits_chosen.emit(str(self.limits.currentData()))
        )

    @property
    def strength(self) -> float:
        """Share of the noise that is taken away."""
        return float(self.slider.value()) / 100

    def set_ready(self, *, result: bool, strength: bool) -> None:
        """Enable what a result, and one with a strength, makes possible."""
        self.compare.setEnabled(result)
        self.blink.setEnabled(result)
        self.slider.setEnabled(strength)
        self.gradient.setEnabled(strength)

    def reset_strength(self) -> None:
        """Show full strength, and tell nobody."""
        for widget in (self.slider, self.gradient):
            widget.blockSignals(True)  # noqa: FBT003 - Qt says so
        self.slider.setValue(100)
        self.gradient.setChecked(False)
        for widget in (self.slider, self.gradient):
            widget.blockSignals(False)  # noqa: FBT003 - Qt says so
        self.percent.setText("100 %")

    def show_state(self, state: "State") -> None:
        """Show whether something is compared."""
        self.compare.setChecked(state == "side by side")
        self.blink.setText("&Blink" if state != "blink" else "&Blink again")

    def _moved(self, value: int) -> None:
        self.percent.setText(f"{value} %")
        self.gradient.blockSignals(True)  # noqa: FBT003 - Qt says so
        self.gradient.setChecked(value == 0)
        self.gradient.blockSignals(False)  # noqa: FBT003 - Qt says so
        self.strength_moved.emit(value / 100)
        if not self.slider.isSliderDown():  # a key or a click beside the handle
            self._settled()

    def _settled(self) -> None:
        self.strength_settled.emit(self.strength)

    def _keep_noise(self, keep: bool) -> None:  # noqa: FBT001 - Qt says so
        if keep:
            self._before = self.slider.value()
        self.slider.setValue(0 if keep else self._before or 100)
