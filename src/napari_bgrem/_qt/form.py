"""Form: the settings of a method, one line for each, built from their declaration."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QWidget,
)

from bgrem_core.controls import Control, parse, text_of
from bgrem_core.errors import UsageError
from napari_bgrem._qt.label import Label
from napari_bgrem.unmarked import unmarked

__all__ = ["Entry", "SettingsForm"]

_WRONG = "border: 1px solid #d9534f;"


class Entry(QWidget):
    """One line of a form.

    Parameters
    ----------
    control : Control
        What it asks for.
    """

    changed = Signal()

    def __init__(self, control: Control) -> None:
        super().__init__()
        self.control = control
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._read, self._write = self._build(row)
        if control.unit:
            row.addWidget(Label(control.unit))
        self.setToolTip(_tip(control))
        self.set_value(control.default)

    def value(self) -> Any:
        """Return what was chosen.

        Raises
        ------
        UsageError
            What was typed is no such thing.
        """
        return parse(self.control, self._read())

    def set_value(self, value: Any) -> None:
        """Show a value."""
        self._write(text_of(value))

    def _build(
        self, row: QHBoxLayout
    ) -> tuple[Callable[[], str], Callable[[str], None]]:
        control = self.control
        if control.kind == "flag" and not control.optional:
            return self._box(row)
        if control.kind in ("flag", "choice"):
            return self._words(row)
        return self._line(row)

    def _box(self, row: QHBoxLayout) -> tuple[Callable[[], str], Callable[[str], None]]:
        box = QCheckBox()
        box.setAccessibleName(self.control.label)
        box.toggled.connect(self.changed)
        row.addWidget(box, 1)
        self.setFocusProxy(box)

        def write(text: str) -> None:
            box.setChecked(text == "yes")

        return lambda: "yes" if box.isChecked() else "no", write

    def _words(
        self, row: QHBoxLayout
    ) -> tuple[Callable[[], str], Callable[[str], None]]:
        control, box = self.control, QComboBox()
        box.setAccessibleName(control.label)
        box.setMinimumContentsLength(8)
        if control.optional:
            box.addItem(control.empty, "")
        for word in control.choices or ("yes", "no"):
            box.addItem(word, word)
        box.setEditable(control.free)
        box.currentTextChanged.connect(self._typed)
        row.addWidget(box, 1)
        self.setFocusProxy(box)
        self._seen: QWidget = box

        def read() -> str:
            at = box.findText(box.currentText())
            return box.currentText() if at < 0 else str(box.itemData(at))

        def write(text: str) -> None:
            at = box.findData(text)
            if at >= 0:
                box.setCurrentIndex(at)
            elif control.free:
                box.setEditText(text)

        return read, write

    def _line(
        self, row: QHBoxLayout
    ) -> tuple[Callable[[], str], Callable[[str], None]]:
        control, line = self.control, QLineEdit()
        line.setAccessibleName(control.label)
        default = text_of(control.default)
        line.setPlaceholderText(default or (control.empty if control.optional else ""))
        line.textChanged.connect(self._typed)
        row.addWidget(line, 1)
        self.setFocusProxy(line)
        self._seen = line

        def write(text: str) -> None:
            # The default is what an empty line says.
            line.setText("" if text == default else text)

        return line.text, write

    def _typed(self) -> None:
        try:
            self.value()
        except UsageError as error:
            self._seen.setStyleSheet(_WRONG)
            self.setToolTip(unmarked(error))
        else:
            self._seen.setStyleSheet("")
            self.setToolTip(_tip(self.control))
        self.changed.emit()


class SettingsForm(QWidget):
    """The settings of a method.

    Parameters
    ----------
    controls : iterable of Control
        In the order in which they are shown.
    """

    changed = Signal()

    def __init__(self, controls: Iterable[Control]) -> None:
        super().__init__()
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.entries: dict[str, Entry] = {}
        for control in controls:
            entry = Entry(control)
            label = Label(control.label)
            label.setToolTip(_tip(control))
            label.setBuddy(entry)
            layout.addRow(label, entry)
            entry.changed.connect(self.changed)
            self.entries[control.name] = entry

    def values(self) -> dict[str, Any]:
        """Return the value of each field.

        Raises
        ------
        UsageError
            A line holds no such thing; its name is in the sentence.
        """
        return {name: entry.value() for name, entry in self.entries.items()}

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show values; names that are not in the form are left out."""
        for name, value in values.items():
            if name in self.entries:
                self.entries[name].set_value(value)


def _tip(control: Control) -> str:
    text = control.help[:1].upper() + control.help[1:]
    return f"{text}\n({control.expected})" if control.kind != "flag" else text
