"""The inspector: clicks, rows, plots, table, rings, checks, truth, export."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable
from napari.layers import Points
from qtpy.QtCore import QPointF, Qt
from qtpy.QtWidgets import QFileDialog

sys.path.insert(0, str(Path(__file__).parent))
import scenes
from scenes import fields
from screens import shot
from test_inspecting import click

import bgrem_core
from bgrem_core.samples import path as sample
from napari_bgrem import inspecting
from napari_bgrem._qt.inspector import Inspector
from napari_bgrem.compared import comparison_of
from napari_bgrem.desk import desk_of
from napari_bgrem.mark import KEY, Mark, mark_of, marked

SCALE = 0.36


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """A busy machine may take long between press and release."""
    monkeypatch.setattr(inspecting, "LONGEST", 60)


@pytest.fixture
def viewer():
    separation = scenes.result(header=fields.tan_header(120))
    return scenes.viewer_with(*scenes.layers_of(separation, scale=(SCALE, SCALE)))


@pytest.fixture
def inspector(qtbot, viewer):
    made = Inspector(viewer)
    qtbot.addWidget(made)
    made.resize(320, 760)
    made.show()
    return made


@pytest.fixture
def said(monkeypatch):
    """What is told to the user as an error."""
    told = []
    monkeypatch.setattr(
        "napari.utils.notifications.show_error", lambda text: told.append(text)
    )
    return told


def finish(qtbot, inspector):
    qtbot.waitUntil(lambda: not inspector._worker.busy, timeout=60_000)


def find(qtbot, inspector):
    qtbot.mouseClick(inspector.find, Qt.MouseButton.LeftButton)
    finish(qtbot, inspector)


def star(k):
    return scenes.STARS[k]


def test_without_a_result_it_says_what_to_do(qtbot, said):
    viewer = scenes.viewer_with()
    made = Inspector(viewer)
    qtbot.addWidget(made)
    made.show()
    assert "press Run" in made.title.text()
    assert not made.find.isEnabled()
    assert not made.export.isEnabled()
    assert not any(b.isEnabled() for b in made.checks.buttons.values())
    made.find_sources()
    made.check("residual")
    made.export_sources()
    assert said == []


def test_click_shows_values_curves_and_rings(qtbot, inspector, viewer):
    inspector.inspect.click()
    click(viewer, *star(0))
    rows = dict(inspector.rows.shown)
    assert rows["Flux"].endswith(" adu")
    assert "±" in rows["Flux"]
    assert {"S/N", "Flux in cleaned", "RA, Dec"} <= set(rows)
    assert [c.name for c in inspector.profile._curves] == [
        "original", "cleaned", "residual",
    ]  # fmt: skip
    assert inspector.growth._curves[0].y[-1] == pytest.approx(3000, rel=0.1)
    [rings] = marked(viewer, "rings")
    np.testing.assert_allclose(rings.data[0], star(0)[::-1], atol=0.3)
    shot(inspector, "inspector-source")


def test_clicks_are_collected_once_each(inspector, viewer):
    inspector.inspect.click()
    for k in (0, 1, 0):
        click(viewer, *star(k))
    assert inspector.table.sources.rowCount() == 2
    [index] = inspector.table.selectionModel().selectedRows()
    assert index.row() == 0
    assert inspector.tabs.tabText(1) == "Sources (2)"
    inspector.forget.click()
    assert inspector.table.sources.rowCount() == 0
    assert not inspector.forget.isEnabled()


def test_switched_off_nothing_listens_and_no_ring_is_left(inspector, viewer):
    before = len(viewer.mouse_drag_callbacks)
    inspector.inspect.click()
    assert len(viewer.mouse_drag_callbacks) == before + 1
    click(viewer, *star(0))
    inspector.inspect.click()
    assert len(viewer.mouse_drag_callbacks) == before
    assert marked(viewer, "rings") == []


def test_a_closed_dock_does_not_listen_and_an_opened_one_does_again(inspector, viewer):
    inspector.inspect.click()
    click(viewer, *star(0))
    inspector.hide()
    assert not inspector.clicks.attached
    assert marked(viewer, "rings") == []
    inspector.show()
    assert inspector.clicks.attached
    assert len(marked(viewer, "rings")) == 1


def test_click_before_any_result_is_answered_with_words(qtbot, said):
    layers = scenes.layers_of(scenes.result(), scale=(SCALE, SCALE))
    viewer = scenes.viewer_with(layers[0])
    made = Inspector(viewer)
    qtbot.addWidget(made)
    made.show()
    made.inspect.click()
    click(viewer, *star(0))
    assert said == ["there is no result yet. run a method first"]


def test_found_sources_fill_table_and_points(qtbot, inspector, viewer):
    selected = set(viewer.layers.selection)
    with qtbot.waitSignal(inspector._worker.done, timeout=60_000):
        inspector.find.click()
        assert not inspector.find.isEnabled()
        assert "Searching" in inspector.state.text()
    n = inspector.table.sources.rowCount()
    assert n >= 3
    assert inspector.state.text() == f"{n} sources found."
    [points] = marked(viewer, "sources")
    assert len(points.data) == n
    assert set(viewer.layers.selection) == selected
    assert inspector.find.isEnabled()
    shot(inspector, "inspector-sources")
    find(qtbot, inspector)
    assert len(marked(viewer, "sources")) == 1


def test_a_row_that_is_chosen_is_shown_in_the_viewer(qtbot, inspector, viewer):
    find(qtbot, inspector)
    inspector.inspect.click()
    inspector.table.selectRow(1)
    x, y = inspector.table.sources.position(1)
    [points] = marked(viewer, "sources")
    assert set(points.selected_data) == {1}
    center = viewer.scene.camera.center[-2:]
    np.testing.assert_allclose(center, (y * SCALE, x * SCALE), rtol=1e-6)
    np.testing.assert_allclose(marked(viewer, "rings")[0].data[0], (y, x), atol=0.3)
    assert f"x {x:.2f}"[:4] in dict(inspector.rows.shown)["Position"]


def test_a_point_that_is_selected_selects_its_row(qtbot, inspector, viewer):
    find(qtbot, inspector)
    [points] = marked(viewer, "sources")
    points.selected_data = {2}
    [index] = inspector.table.selectionModel().selectedRows()
    assert inspector.table.sources.row_at(index.row()) == 2
    points.selected_data = set()
    points.selected_data = {0, 1}
    [index] = inspector.table.selectionModel().selectedRows()
    assert index.row() == 2


def test_click_on_a_found_source_selects_it_and_collects_nothing(
    qtbot, inspector, viewer
):
    find(qtbot, inspector)
    n = inspector.table.sources.rowCount()
    inspector.inspect.click()
    click(viewer, *star(1))
    [index] = inspector.table.selectionModel().selectedRows()
    position = inspector.table.sources.position(index.row())
    assert position == pytest.approx(star(1), abs=0.5)
    [points] = marked(viewer, "sources")
    assert set(points.selected_data) == {index.row()}
    click(viewer, 120, 20)
    assert inspector.table.sources.rowCount() == n + 1
    assert set(points.selected_data) == set()


def test_in_the_comparison_all_cells_are_ringed(inspector, viewer, qtbot):
    inspector.inspect.click()
    click(viewer, *star(0))
    comparison = comparison_of(viewer)
    comparison.enter([[x] for x in list(viewer.layers)[:3]])
    qtbot.waitUntil(lambda: len(marked(viewer, "rings")) == 3)
    for k, role in enumerate(("original", "cleaned", "residual")):
        click(viewer, *star(1), viewbox=(0, k))
        assert inspector._seen[1].name == role
    comparison.leave()
    qtbot.waitUntil(lambda: len(marked(viewer, "rings")) == 1)


def test_newest_result_is_looked_at_and_older_ones_when_clicked(
    qtbot, inspector, viewer
):
    find(qtbot, inspector)
    n = inspector.table.sources.rowCount()
    separation = scenes.result(flux=500, header=fields.tan_header(120))
    newer = scenes.layers_of(separation, run="2", scale=(SCALE, SCALE))
    for layer in newer:
        viewer.add_layer(layer)
    qtbot.waitUntil(lambda: inspector.table.sources.rowCount() == 0)
    assert inspector.collected.separation is separation
    inspector.inspect.click()
    for layer in newer:
        layer.visible = False
    click(viewer, *star(0))
    assert inspector.table.sources.rowCount() == n
    for layer in list(viewer.layers):
        viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: inspector.collected is None)
    assert inspector.table.sources.rowCount() == 0


def test_an_older_result_stays_chosen_when_other_layers_come(qtbot, inspector, viewer):
    separation = scenes.result(flux=500)
    for layer in scenes.layers_of(separation, run="2", scale=(SCALE, SCALE)):
        viewer.add_layer(layer)
    qtbot.waitUntil(lambda: inspector.collected.separation is separation)
    older = viewer.layers[1]
    inspector.click(older, *star(0))
    viewer.add_layer(Points([[1, 1]]))
    qtbot.wait(50)
    assert inspector.collected.separation is mark_of(older).separation
    assert inspector.rows.shown


def test_what_the_other_dock_found_is_shown(qtbot, inspector, viewer):
    separation = inspector.collected.separation
    desk = desk_of(viewer)
    desk.result = separation
    desk.found.emit(bgrem_core.find_sources(separation))
    assert inspector.table.sources.rowCount() >= 3
    assert len(marked(viewer, "sources")) == 1


def test_what_was_found_before_it_was_opened_is_shown(qtbot, viewer):
    separation = mark_of(viewer.layers[1]).separation
    session = desk_of(viewer).session
    session.result = separation
    session.sources = bgrem_core.find_sources(separation)
    made = Inspector(viewer)
    qtbot.addWidget(made)
    assert made.table.sources.rowCount() >= 3


def test_the_other_dock_searches_its_own_result(qtbot, inspector, viewer):
    separation = inspector.collected.separation
    desk = desk_of(viewer)
    desk.result = desk.session.result = separation
    desk.source = viewer.layers[0]
    inspector.find.click()
    assert desk.job == "find"
    assert not inspector.find.isEnabled()
    qtbot.waitUntil(lambda: inspector.table.sources.rowCount() >= 3, timeout=60_000)
    qtbot.waitUntil(inspector.find.isEnabled)
    assert desk.session.sources is inspector.collected.table


def test_truth_makes_hits_misses_and_false_ones(qtbot, inspector, viewer):
    image = mark_of(viewer.layers[0]).image
    at = [*scenes.STARS[1:], (20.0, 90.0)]
    truth = Points(
        [(y, x) for x, y in at], features={"flux": [3000.0] * 3},
        metadata={KEY: Mark(role="truth", image=image)}, scale=(SCALE, SCALE),
    )  # fmt: skip
    viewer.add_layer(truth)
    find(qtbot, inspector)
    [fates] = marked(viewer, "fates")
    words = list(fates.features["fate"])
    assert words.count("hit") == 2
    assert words.count("miss") == 1
    assert words.count("false") >= 1
    assert dict(inspector.truth.shown)["Hits"].startswith("2 of")
    assert inspector.legend.isVisibleTo(inspector)
    [points] = marked(viewer, "sources")
    assert not points.visible
    shot(inspector, "inspector-truth")


@pytest.mark.parametrize("name", ["blank_sky", "residual", "faint_flux"])
def test_checks_answer_in_a_sentence(qtbot, inspector, said, name):
    find(qtbot, inspector)
    inspector.tabs.setCurrentIndex(2)
    button = inspector.checks.buttons[name]
    button.click()
    assert not button.isEnabled()
    finish(qtbot, inspector)
    assert said == []
    assert inspector.checks.verdict.text().endswith(".")
    assert inspector.checks.rows.shown
    shot(inspector, f"inspector-{name}")


def test_errors_of_a_check_are_shown_as_sentence_and_hint(qtbot, inspector, said):
    inspector.checks.buttons["faint_flux"].click()
    finish(qtbot, inspector)
    assert said == ["there are no sources yet. find sources first"]
    assert inspector.find.isEnabled()


def test_faults_do_not_bring_the_window_down(qtbot, inspector, said, monkeypatch):
    def broken(self, settings):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("napari_bgrem.collected.Collected.find", broken)
    find(qtbot, inspector)
    assert said == ["ZeroDivisionError: oh. this is a fault of bgrem"]
    assert inspector.state.text() == ""
    assert inspector.find.isEnabled()


@pytest.mark.parametrize("ending", [".ecsv", ".csv", ".fits", ".vot", ".reg"])
def test_exported_catalogues_hold_found_and_clicked(
    qtbot, inspector, viewer, tmp_path, monkeypatch, ending
):
    find(qtbot, inspector)
    n = inspector.table.sources.rowCount()
    inspector.inspect.click()
    click(viewer, 120, 20)
    target = tmp_path / f"sources{ending}"
    target.write_text("old")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    inspector.export.click()
    finish(qtbot, inspector)
    assert inspector.state.text() == f"{n + 1} sources written to {target.name}."
    if ending == ".ecsv":
        written = QTable.read(target)
        assert len(written) == n + 1
        assert len(set(written["id"])) == n + 1
        assert written["flux"].unit == "adu"


def test_a_name_without_an_ending_gets_that_of_the_format(
    qtbot, inspector, viewer, tmp_path, monkeypatch
):
    inspector.inspect.click()
    click(viewer, *star(0))
    monkeypatch.setattr(
        QFileDialog,
        "getSaveFileName",
        lambda *_: (str(tmp_path / "mine"), "DS9 regions (*.reg)"),
    )
    inspector.export.click()
    finish(qtbot, inspector)
    assert "ellipse" in (tmp_path / "mine.reg").read_text()


def test_an_unknown_ending_is_explained(qtbot, inspector, viewer, said, tmp_path):
    inspector.inspect.click()
    click(viewer, *star(0))
    inspector.write(tmp_path / "mine.doc")
    finish(qtbot, inspector)
    assert said[0].startswith("mine.doc is not the name of a catalogue. use one of")


def test_a_widget_that_is_gone_hears_nothing(qtbot, viewer):
    made = Inspector(viewer)
    made.show()
    made.inspect.click()
    before = len(viewer.layers.events.inserted.callbacks)
    made.hide()
    made.deleteLater()
    qtbot.waitUntil(lambda: len(viewer.layers.events.inserted.callbacks) == before - 1)
    viewer.add_layer(Points([[1, 1]]))


def test_a_method_adds_its_rows(inspector, viewer, monkeypatch):
    import dataclasses

    from bgrem_core.methods import METHODS

    talkative = dataclasses.replace(
        METHODS["mesh"], inspect_rows=lambda s, x, y: (("Counts", f"{x:.0f}"),)
    )
    monkeypatch.setitem(METHODS, "mesh", talkative)
    inspector.inspect.click()
    click(viewer, *star(1))
    assert inspector.rows.shown[-1] == ("Counts", "90")


def test_the_narrow_dock_cuts_no_label(inspector, qtbot):
    inspector.resize(300, 700)
    inspector.inspect.click()
    click(inspector.viewer, *star(0))
    shot(inspector, "inspector-narrow")
    assert inspector.minimumSizeHint().width() <= 320
    for button in (inspector.inspect, inspector.find):
        text = button.fontMetrics().horizontalAdvance(button.text())
        assert button.width() >= text


def press(qtbot, viewer, layer, x, y, cell):
    """Click a data pixel in a cell of the window's canvas with the mouse."""
    qt = viewer.window._qt_viewer
    canvas = qt.canvas
    native = canvas.native
    view = canvas.grid_views[cell]
    world = np.asarray(layer.data_to_world((y, x)))
    transform = view.scene.node_transform(canvas._scene_canvas.scene)
    at = transform.map([world[1], world[0], 0, 1])
    spot = QPointF(at[0] / at[3], at[1] / at[3]).toPoint()
    qtbot.mouseMove(native, spot)
    qtbot.mouseClick(native, Qt.MouseButton.LeftButton, pos=spot)


@pytest.mark.slow
def test_in_a_real_window_each_cell_can_be_clicked(make_napari_viewer_proxy, qtbot):
    # The proxy warns of what a test has to touch.
    viewer = make_napari_viewer_proxy(show=True).__wrapped__
    viewer.window._qt_window.resize(1400, 850)
    viewer.scene.camera.orientation2d = ("up", "right")
    image = bgrem_core.open_image(sample("cfhtls_g"))
    separation = bgrem_core.clean(image, method="mesh")
    layers = scenes.layers_of(separation, scale=(0.186,) * 2, units=("arcsec",) * 2)
    for layer in layers:
        viewer.add_layer(layer)
    made = Inspector(viewer)
    dock = viewer.window.add_dock_widget(made, name="Inspect sources")
    comparison = comparison_of(viewer)
    comparison.enter([[layer] for layer in layers])
    assert viewer.scene.camera.orientation2d == ("up", "right")
    made.inspect.click()
    find(qtbot, made)
    table = made.collected.table
    # The centre of a saturated star is a matter of opinion.
    bright = int(np.argmax(np.where(table["flags"] & 15, 0, table["snr"])))
    x, y = made.table.sources.position(bright)
    viewer.screenshot(canvas_only=False, flash=False)
    for cell, layer in enumerate(layers):
        press(qtbot, viewer, layer, x, y, cell)
        qtbot.waitUntil(lambda layer=layer: made._seen and made._seen[1] is layer)
        assert made._seen[0].x == pytest.approx(x, abs=1)
        assert made._seen[0].y == pytest.approx(y, abs=1)
    viewer.scene.camera.zoom *= 2
    viewer.scene.camera.center = (y * 0.186, x * 0.186)
    shot(viewer, "window-clicked")
    made.tabs.setCurrentIndex(0)
    qtbot.wait(100)
    assert made.rows.height() >= 10 * made.fontMetrics().height()
    shot(viewer, "window-source")
    made.tabs.setCurrentIndex(2)
    for name in made.checks.buttons:
        made.check(name)
        finish(qtbot, made)
        qtbot.wait(100)
        shot(made, f"window-{name}")
    comparison.leave()
    assert not viewer.canvas.grid.enabled
    assert list(viewer.layers)[:3] == layers
    assert all(layer.visible for layer in layers)
    qtbot.wait(100)
    shot(viewer, "window-left")
    dock.close()
    assert not made.clicks.attached
