"""Label: a text that is shown as it is, whatever a header or a file name holds."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

__all__ = ["Label"]


class Label(QLabel):
    """A label that knows no mark-up.

    Parameters
    ----------
    text : str, optional
        To begin with.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        # Left alone Qt guesses, and would draw what a header says is HTML.
        self.setTextFormat(Qt.TextFormat.PlainText)
