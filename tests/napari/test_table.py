"""The table of sources: order, selection, clipboard, speed."""

import sys
import time
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

sys.path.insert(0, str(Path(__file__).parent))
import scenes
from scenes import fields
from screens import shot

from bgrem_core.find import find_sources
from bgrem_core.inspection import inspect
from bgrem_core.inspection_rows import HELP
from bgrem_core.settings import FindSettings
from napari_bgrem._qt.table import SourceTable
from napari_bgrem._qt.table_model import NAMES


@pytest.fixture(scope="module")
def separation():
    return scenes.result(header=fields.tan_header(120))


@pytest.fixture(scope="module")
def catalogue(separation):
    return find_sources(separation, FindSettings())


@pytest.fixture
def table(qtbot, catalogue):
    table = SourceTable()
    qtbot.addWidget(table)
    table.resize(900, 200)
    table.fill(catalogue)
    table.show()
    return table


def cell(table, place, title):
    model = table.sources
    for column in range(model.columnCount()):
        head = model.headerData(column, Qt.Orientation.Horizontal)
        if head.startswith(title):
            return model.data(model.index(place, column))
    raise KeyError(title)


def made(n, seed=0):
    """A catalogue of n sources."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.random(n) * 100 for name in NAMES}
    columns |= {"id": np.arange(1, n + 1), "flags": rng.integers(0, 600, n)}
    return QTable(columns | {"flux": rng.random(n) * u.adu})


def test_cells_are_what_an_astronomer_writes(table, catalogue):
    shot(table, "table")
    row = catalogue[0]
    assert cell(table, 0, "id") == "1"
    assert cell(table, 0, "x") == f"{row['x'].value:.1f}"
    assert "±" in cell(table, 0, "Flux (adu)")
    assert cell(table, 0, "RA").count(":") == 2
    assert cell(table, 0, "Dec").startswith("+")
    assert cell(table, 0, "Flags") == "none"
    assert "0-based" in table.sources.headerData(
        1, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole
    )


def test_the_head_says_whose_noise_the_significance_counts(table, catalogue):
    across, model = Qt.Orientation.Horizontal, table.sources
    tips = {
        model.headerData(k, across): model.headerData(
            k, across, Qt.ItemDataRole.ToolTipRole
        )
        for k in range(model.columnCount())
    }
    assert tips["S/N"] == HELP["S/N (noise)"]


def test_cleaned_fluxes_have_the_decimals_of_the_flux(table, catalogue):
    flux, cleaned = (cell(table, 0, head) for head in ("Flux (adu)", "Flux cleaned"))
    value, error = flux.split(" ± ")
    assert len(cleaned.partition(".")[2]) == len(value.partition(".")[2])
    truth = catalogue["flux_cleaned"][0].value
    assert abs(float(cleaned) - truth) <= float(error)


def test_without_a_wcs_there_are_no_columns_for_the_sky(qtbot):
    table = SourceTable()
    qtbot.addWidget(table)
    table.fill(find_sources(scenes.result(), FindSettings()))
    hidden = [k for k in range(10) if table.isColumnHidden(k)]
    heads = [table.sources.headerData(k, Qt.Orientation.Horizontal) for k in hidden]
    assert heads == ["RA", "Dec"]


def test_sorting_moves_rows_and_keeps_what_is_selected(table, catalogue):
    table.select(0)
    heard = []
    table.selected.connect(heard.append)
    table.sortByColumn(2, Qt.SortOrder.DescendingOrder)
    shown = [float(cell(table, k, "y")) for k in range(len(catalogue))]
    assert shown == sorted(shown, reverse=True)
    [index] = table.selectionModel().selectedRows()
    assert table.sources.row_at(index.row()) == 0
    assert heard == []


def test_unknown_values_are_sorted_last(qtbot):
    table = SourceTable()
    qtbot.addWidget(table)
    sources = made(4)
    sources["fwhm"] = [2.0, np.nan, 1.0, 3.0]
    table.fill(sources)
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        table.sortByColumn(5, order)
        assert cell(table, 3, "FWHM") == ""


def test_choosing_a_row_says_its_number_in_the_catalogue(qtbot, table):
    table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    with qtbot.waitSignal(table.selected) as said:
        table.selectRow(0)
    assert said.args == [table.sources.rowCount() - 1]
    with qtbot.waitSignal(table.selected) as said:
        qtbot.keyClick(table, Qt.Key.Key_Down)
    assert said.args == [table.sources.rowCount() - 2]


def test_selecting_from_outside_is_silent_and_scrolls(qtbot):
    table = SourceTable()
    qtbot.addWidget(table)
    table.resize(500, 150)
    table.show()
    table.fill(made(2000))
    with qtbot.assertNotEmitted(table.selected):
        table.select(1500)
    [index] = table.selectionModel().selectedRows()
    assert index.row() == 1500
    assert table.visualRect(index).top() > 0
    table.select(None)
    assert not table.selectionModel().hasSelection()
    table.select(99999)


def test_copied_rows_are_numbers_between_tabs(qtbot, table, catalogue):
    table.sortByColumn(0, Qt.SortOrder.DescendingOrder)
    table.selectRow(0)
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    head, row = QApplication.clipboard().text().splitlines()
    values = dict(zip(head.split("\t"), map(float, row.split("\t")), strict=True))
    assert tuple(values) == NAMES
    assert values["id"] == len(catalogue)
    assert values["flux"] == pytest.approx(catalogue["flux"][-1].value)
    assert values["ra"] == pytest.approx(catalogue["ra"][-1].value)


def test_without_a_selection_everything_is_copied(table, catalogue):
    table.select(None)
    table.copy()
    assert len(QApplication.clipboard().text().splitlines()) == len(catalogue) + 1


def test_clicked_sources_come_behind(table, catalogue, separation):
    n = len(catalogue)
    assert table.append(inspect(separation, 120, 20)) == n
    assert table.append(inspect(separation, 20, 60)) == n + 1
    assert cell(table, n + 1, "id") == "click 2"
    seen = inspect(separation, *scenes.STARS[1])
    model = table.sources
    row = model.nearest(seen.x, seen.y, within=2)
    assert model.position(row) == pytest.approx((seen.x, seen.y), abs=0.5)
    assert model.nearest(60, 60, within=2) is None
    table.fill(None, [seen])
    assert cell(table, 0, "id") == "click 1"
    table.fill(None)
    assert model.rowCount() == 0
    assert model.nearest(1, 1, within=99) is None


def test_ten_thousand_sources_are_no_effort(qtbot):
    table = SourceTable()
    qtbot.addWidget(table)
    table.resize(700, 300)
    table.show()
    sources = made(10000)
    start = time.perf_counter()
    table.fill(sources)
    table.sortByColumn(3, Qt.SortOrder.DescendingOrder)
    table.select(5000)
    table.grab()
    assert time.perf_counter() - start < 2


def test_a_method_s_own_columns_stand_behind_the_s_n(qtbot):
    table, found = SourceTable(), made(3)
    qtbot.addWidget(table)
    found["ts"] = [50.25, 9.0, np.nan]
    found["fwhm"] *= np.nan
    table.fill(found, own=[("ts", "TS", 1)])
    model = table.sources
    heads = [
        model.headerData(k, Qt.Orientation.Horizontal)
        for k in range(model.columnCount())
    ]
    place = heads.index("TS")
    assert heads[place - 1 : place + 2] == ["S/N", "TS", "FWHM"]
    assert [model.data(model.index(k, place)) for k in range(3)] == ["50.2", "9.0", ""]
    assert table.isColumnHidden(heads.index("FWHM"))
    assert not table.isColumnHidden(place)
    table.sortByColumn(place, Qt.SortOrder.DescendingOrder)
    assert model.row_at(0) == 0
    assert model.as_text([0]).splitlines()[0].split("\t")[-1] == "ts"
    table.fill(made(3))
    assert model.columnCount() == 10
    assert not table.isColumnHidden(heads.index("FWHM") - 1)
