"""Frames: what stands around the widgets of a dock."""

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QFrame, QScrollArea, QWidget

__all__ = ["fit_title", "line", "scrolled"]

_EDGES = 8  # pixels, around the title bar of a dock


def scrolled(inner: QWidget) -> QScrollArea:
    """Return an area in which a widget is scrolled up and down."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(inner)
    return area


def line() -> QFrame:
    """Return a line between two groups of widgets."""
    made = QFrame()
    made.setFrameShape(QFrame.Shape.HLine)
    made.setFrameShadow(QFrame.Shadow.Sunken)
    return made


def fit_title(widget: QWidget, title: str) -> None:
    """Make the dock of a widget wide enough for its title, and its tab say less.

    napari adds the name of the plugin to both, and a tab would be cut.

    Parameters
    ----------
    widget : QWidget
        In a dock, else nothing happens.
    title : str
        What the tab says.
    """
    parent: Any = widget
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parent()
    if parent is None:
        return
    parent.setWindowTitle(title)
    # Not what the bar itself says, which is nothing of its width.
    bar = parent.titleBarWidget()
    layout = None if bar is None else bar.layout()
    if layout is not None:
        wide = layout.sizeHint().width() + _EDGES
        widget.setMinimumWidth(max(widget.minimumWidth(), wide))
