"""Look: how much of it is taken away, and how images are compared and stretched."""

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSlider,
    QWidget,
)

from bgrem_core.display import STRETCHES
from bgrem_core.strength import STRENGTH, Slider
from bgrem_core.words import DEFAULT
from napari_bgrem._qt.label import Label

if TYPE_CHECKING:
    from bgrem_core.words import Words
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
        self.blink = QPushButton("&Blink")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setValue(100)
        self.percent = Label("100 %")
        self.percent.setMinimumWidth(
            self.percent.fontMetrics().horizontalAdvance("100 %") + 4
        )
        self.label, self.gradient = Label(), QCheckBox()
        self.stretch = QComboBox()
        self.stretch.addItems(list(STRETCHES))
        self.stretch.setCurrentText("asinh")
        self.stretch.setToolTip("What lies between black and white")
        self.limits = QComboBox()
        for label, name in LIMITS.items():
            self.limits.addItem(label, name)
        self.limits.setToolTip("Which values become black and white")
        self._counts, self._before = STRENGTH, 100
        self._lay_out()
        self._wire()
        self.set_words(DEFAULT, self._counts)
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
        form.addRow(self.label, strength)
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
        """Share that is taken away, whatever the slider counts."""
        return self._counts.turned(self.slider.value() / 100)

    def set_ready(self, *, result: bool, strength: bool) -> None:
        """Enable what a result, and one with a strength, makes possible."""
        self.compare.setEnabled(result)
        self.blink.setEnabled(result)
        self.slider.setEnabled(strength)
        self.gradient.setEnabled(strength)

    def set_words(self, words: "Words", slider: Slider) -> None:
        """Say what is compared, and what the slider counts, as a method does."""
        self.compare.setToolTip(
            f"{', '.join(words)} side by side (Shift-C); again: as it was"
        )
        self.blink.setToolTip(
            f"{words[0]} and {words[1].lower()} in turn in one place (Shift-B)"
        )
        strength = self.strength
        self._counts = slider
        self.label.setText(slider.label)
        self.slider.setAccessibleName(slider.label)
        self.slider.setToolTip(slider.about)
        self.gradient.setText(slider.none.replace("Gradient", "&Gradient", 1))
        self.gradient.setToolTip(slider.about_none)
        self.gradient.setVisible(bool(slider.none))
        self._show_strength(strength)

    def reset_strength(self) -> None:
        """Show full strength, and tell nobody."""
        self._show_strength(1)

    def _show_strength(self, strength: float) -> None:
        value = round(100 * self._counts.turned(strength))
        for widget in (self.slider, self.gradient):
            widget.blockSignals(True)  # noqa: FBT003 - Qt says so
        self.slider.setValue(value)
        self.gradient.setChecked(strength == 0)
        for widget in (self.slider, self.gradient):
            widget.blockSignals(False)  # noqa: FBT003 - Qt says so
        self.percent.setText(f"{value} %")

    def show_state(self, state: "State") -> None:
        """Show whether something is compared."""
        self.compare.setChecked(state == "side by side")
        self.blink.setText("&Blink" if state != "blink" else "&Blink again")

    def _moved(self, value: int) -> None:
        self.percent.setText(f"{value} %")
        self.gradient.blockSignals(True)  # noqa: FBT003 - Qt says so
        self.gradient.setChecked(self.strength == 0)
        self.gradient.blockSignals(False)  # noqa: FBT003 - Qt says so
        self.strength_moved.emit(self.strength)
        if not self.slider.isSliderDown():  # a key or a click beside the handle
            self._settled()

    def _settled(self) -> None:
        self.strength_settled.emit(self.strength)

    def _keep_noise(self, keep: bool) -> None:  # noqa: FBT001 - Qt says so
        if keep:
            self._before = self.slider.value()
        self.slider.setValue(0 if keep else self._before or 100)
