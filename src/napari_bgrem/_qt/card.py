"""Card: what a model was trained for, and what it is worth."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from bgrem_core.models import find_file, list_models

__all__ = ["show_card"]

LONGEST = 2**20
"""Bytes of a card that are read."""


def show_card(model: str, parent: QWidget | None = None) -> QDialog:
    """Open a window with the card of a model.

    Parameters
    ----------
    model : str
        Name of the model or path of its weights.
    parent : QWidget, optional
        The window it belongs to.

    Returns
    -------
    QDialog
        Open; it does not block.
    """
    text = find_file(model).with_suffix(".md")
    ours = model in {card.name for card in list_models()}
    dialog = QDialog(parent)
    dialog.setWindowTitle(f"Model {model}")
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    page = QTextBrowser()
    if text.is_file():
        with text.open("rb") as file:
            said = file.read(LONGEST).decode("utf-8", "replace")
        # What strangers wrote is shown as it is: no pictures, no links.
        (page.setMarkdown if ours else page.setPlainText)(said)
    else:
        page.setPlainText(f"There is no card beside the weights of {model}.")
    page.setOpenExternalLinks(True)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    layout = QVBoxLayout(dialog)
    layout.addWidget(page)
    layout.addWidget(buttons)
    dialog.resize(640, 560)
    dialog.show()
    return dialog
