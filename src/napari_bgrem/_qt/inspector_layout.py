"""Inspector layout: buttons, the line for a place, and three pages in a narrow dock."""

from qtpy.QtWidgets import (
    QHBoxLayout,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_bgrem._qt.checks import ChecksPanel
from napari_bgrem._qt.inspector_pages import SourcePage, SourcesPage, scrolled
from napari_bgrem._qt.label import Label
from napari_bgrem._qt.place_line import PlaceLine

__all__ = ["SOURCE", "SOURCES", "InspectorLayout"]

SOURCE, SOURCES, CHECKS = range(3)
"""Numbers of the pages."""


class InspectorLayout(QWidget):
    """Where things are; what they do is the business of others."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.state = Label(), Label()
        for label in (self.title, self.state):
            label.setWordWrap(True)
        self.inspect = QPushButton("&Inspect")
        self.inspect.setCheckable(True)
        self.inspect.setToolTip("Click a source in any panel to read it")
        self.find = QPushButton("&Find sources")
        self.find.setToolTip("Search the result for sources and measure them")
        self.place = PlaceLine()
        self.source, self.sources = SourcePage(), SourcesPage()
        self.checks = ChecksPanel()
        self.tabs = QTabWidget()
        self.tabs.addTab(scrolled(self.source), "Source")
        self.tabs.addTab(self.sources, "Sources")
        self.tabs.addTab(scrolled(self.checks), "Checks")
        # What others reach for.
        self.rows, self.table = self.source.rows, self.sources.table
        self.profile, self.growth = self.source.profile, self.source.growth
        self._lay_out()
        self.say("")
        self.setMinimumWidth(300)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        buttons = QHBoxLayout()
        buttons.addWidget(self.inspect)
        buttons.addWidget(self.find)
        layout.addWidget(self.title)
        layout.addLayout(buttons)
        layout.addWidget(self.place)
        layout.addWidget(self.state)
        layout.addWidget(self.tabs, 1)

    def say(self, text: str) -> None:
        """Show what is going on; nothing takes no room."""
        self.state.setText(text)
        self.state.setVisible(bool(text))

    def set_ready(
        self, *, result: bool, idle: bool, sources: bool, clicks: bool
    ) -> None:
        """Enable what is possible.

        Parameters
        ----------
        result : bool
            There is something to look at.
        idle : bool
            Nothing is at work.
        sources : bool
            There are some, found or clicked.
        clicks : bool
            Some were clicked.
        """
        self.place.setEnabled(result)
        self.find.setEnabled(result and idle)
        self.checks.set_ready(result and idle)
        self.sources.export.setEnabled(result and idle and sources)
        self.sources.forget.setEnabled(clicks)
        count = self.table.sources.rowCount()
        self.tabs.setTabText(SOURCES, f"Sources ({count})" if count else "Sources")
