"""Choice: image, method and model, and the form of the method's settings."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from bgrem_core.api import make_settings
from bgrem_core.controls import controls
from bgrem_core.methods import METHODS, get_method
from bgrem_core.models import list_models
from napari_bgrem._qt.card import show_card
from napari_bgrem._qt.form import SettingsForm
from napari_bgrem._qt.memory import recall, remember
from napari_bgrem._qt.noise_row import NoiseRow
from napari_bgrem.mark import mark_of
from napari_bgrem.preferences import preferred

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from bgrem_core.settings import RunSettings

__all__ = ["Choice"]

OWN_ROWS = frozenset({"model", "norm", "strength"})
"""Settings that have a place of their own, outside the generated form."""
PREFERRED = frozenset({"tile", "device"})
"""Settings that always begin as napari's preferences say."""


class Choice(QWidget):
    """What is to be done to which image.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Whose image layers can be chosen.
    """

    layer_changed = Signal()
    measure = Signal()

    def __init__(self, viewer: "ViewerModel") -> None:
        super().__init__()
        self._viewer = viewer
        self.layers = ComboBox(
            label="Image", choices=self._images, nullable=False,
            tooltip="The layer that is worked on",
        )  # fmt: skip
        self.method, self.model = QComboBox(), QComboBox()
        self.card = QPushButton("Car&d")
        self.card.setToolTip("What this model was trained for, and what it is worth")
        self.noise = NoiseRow()
        self.plain = SettingsForm(())
        self.more = SettingsForm(())
        self.fold = QCollapsible("More settings")
        self._lay_out()
        self.layers.changed.connect(self.layer_changed.emit)
        self.method.currentIndexChanged.connect(self._build)
        self.card.clicked.connect(lambda: show_card(self.model.currentText(), self))
        self.noise.measure.connect(self.measure)
        self.reset_methods()

    def layer(self) -> "Layer | None":
        """Return the layer that was chosen."""
        return self.layers.value

    def choose_layer(self, layer: "Layer") -> None:
        """Choose a layer."""
        self.layers.reset_choices()
        if layer in self.layers.choices:
            self.layers.value = layer

    def reset_choices(self) -> None:
        """Look again which layers there are."""
        self.layers.reset_choices()
        self.layer_changed.emit()

    def reset_methods(self) -> None:
        """Look again which methods are registered."""
        names = [self.method.itemData(k) for k in range(self.method.count())]
        if names == list(METHODS):
            return
        chosen = self.method.currentData() or recall("last").get("method")
        self.method.blockSignals(True)  # noqa: FBT003 - Qt says so
        self.method.clear()
        for name, method in METHODS.items():
            self.method.addItem(method.label, name)
        self.method.setCurrentIndex(max(0, self.method.findData(chosen)))
        self.method.blockSignals(False)  # noqa: FBT003 - Qt says so
        self._build()

    def method_name(self) -> str:
        """Return the key of the method."""
        return str(self.method.currentData() or next(iter(METHODS)))

    def settings(self) -> "RunSettings":
        """Return the settings of a run.

        Raises
        ------
        UsageError
            Something typed is no such thing, or out of range.
        """
        values = {**self.plain.values(), **self.more.values()}
        kind = get_method(self.method_name()).settings
        fields = {c.name for c in controls(kind)}
        if "model" in fields:
            values["model"] = self.model.currentText()
        if "norm" in fields:
            values["norm"] = self.noise.norm()
        settings: RunSettings = make_settings(kind, values)
        remember("last", {"method": self.method_name()})
        kept = {k: v for k, v in values.items() if k not in PREFERRED}
        remember(self.method_name(), kept)
        return settings

    def set_values(self, values: dict[str, Any]) -> None:
        """Show settings."""
        self.plain.set_values(values)
        self.more.set_values(values)
        if "model" in values:
            at = self.model.findText(str(values["model"]))
            if at < 0:
                self.model.addItem(str(values["model"]))
                at = self.model.count() - 1
            self.model.setCurrentIndex(at)
        self.noise.set_norm(values.get("norm", 0.0))

    def _images(self, _: object) -> "list[Layer]":
        from napari.layers import Image

        found = []
        for layer in self._viewer.layers:
            mark = mark_of(layer)
            if isinstance(layer, Image) and (mark is None or mark.role == "original"):
                found.append(layer)
        return found[::-1]  # the one on top first

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._head = QFormLayout()
        self._head.setFieldGrowthPolicy(
            QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow
        )
        for box in (self.layers.native, self.method, self.model):
            box.setMinimumContentsLength(10)
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
        self._model_row = QWidget()
        row = QHBoxLayout(self._model_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.model, 1)
        row.addWidget(self.card)
        self._head.addRow("Image", self.layers.native)
        self._head.addRow("Method", self.method)
        self._head.addRow("Model", self._model_row)
        layout.addLayout(self._head)
        self._body = QVBoxLayout()
        layout.addLayout(self._body)
        self._noise_form = QWidget()
        noise = QVBoxLayout(self._noise_form)
        noise.setContentsMargins(0, 0, 0, 0)
        noise.addWidget(self.noise)
        layout.addWidget(self._noise_form)
        layout.addWidget(self.fold)

    def _build(self) -> None:
        """Build the form of the method that is chosen."""
        name = self.method_name()
        method = get_method(name)
        all_ = controls(method.settings)
        fields = {c.name for c in all_}
        free = [c for c in all_ if c.name not in OWN_ROWS]
        for form in (self.plain, self.more):
            form.hide()
            form.setParent(None)
            form.deleteLater()
        self.plain = SettingsForm(c for c in free if not c.advanced)
        self.more = SettingsForm(c for c in free if c.advanced)
        self._body.addWidget(self.plain)
        self.fold.setContent(self.more)
        self.fold.collapse(animate=False)
        self.fold.setVisible(bool(self.more.entries))
        self.model.clear()
        usual = next((c.default for c in all_ if c.name == "model"), None)
        names = [c.name for c in list_models() if c.method == name]
        self.model.addItems(sorted(names, key=lambda n: n != usual))
        has_model = "model" in fields and self.model.count() > 0
        self._head.setRowVisible(self._model_row, has_model)
        self._noise_form.setVisible("norm" in fields)
        self._order()
        self.set_values({**preferred(name), **recall(name)})

    def _order(self) -> None:
        """Have Tab come to the new forms where they stand: Qt puts them last."""
        noise = self.noise
        order = [
            *(self.layers.native, self.method, self.model, self.card),
            *(entry.focusProxy() for entry in self.plain.entries.values()),
            *(noise.by_hand, noise.line, noise.button, self.fold.toggleButton()),
            *(entry.focusProxy() for entry in self.more.entries.values()),
        ]
        for first, second in pairwise(order):
            QWidget.setTabOrder(first, second)
