"""The inspector: clicks, rows, plots, table, rings, checks, truth, export."""

import dataclasses
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable
from napari.layers import Points
from qtpy.QtCore import QPointF, Qt
from qtpy.QtWidgets import QAbstractButton, QFileDialog, QLabel

sys.path.insert(0, str(Path(__file__).parent))
import scenes
from scenes import fields
from screens import shot
from test_inspecting import click

import bgrem_core
from bgrem_core.errors import UsageError
from bgrem_core.methods import METHODS
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
    qtbot.waitUntil(lambda: not inspector.jobs.worker.busy, timeout=60_000)


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
    assert not made.sources.export.isEnabled()
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
    assert {"S/N (noise)", "Flux in cleaned", "RA, Dec"} <= set(rows)
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
    inspector.sources.forget.click()
    assert inspector.table.sources.rowCount() == 0
    assert not inspector.sources.forget.isEnabled()


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
    with qtbot.waitSignal(inspector.jobs.worker.done, timeout=60_000):
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


def shown_by_the_other_dock(viewer, inspector):
    """Have the other dock show the result that is inspected; give its desk."""
    desk = desk_of(viewer)
    desk.result = desk.session.result = inspector.collected.separation
    desk.source = viewer.layers[0]
    return desk


def test_the_other_dock_searches_its_own_result(qtbot, inspector, viewer):
    desk = shown_by_the_other_dock(viewer, inspector)
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
    assert dict(inspector.sources.truth.shown)["Hits"].startswith("2 of")
    assert inspector.sources.legend.isVisibleTo(inspector)
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


def test_errors_of_a_check_are_shown_as_sentence_and_hint(
    qtbot, inspector, said, monkeypatch
):
    def refuse(separation, sources):
        raise UsageError("this frame has no noise", hint="use a frame with noise")

    monkeypatch.setattr("bgrem_core.checks.residual", refuse)
    inspector.checks.buttons["residual"].click()
    finish(qtbot, inspector)
    assert said == ["this frame has no noise. use a frame with noise"]
    assert inspector.state.text() == ""
    assert inspector.find.isEnabled()


def test_faint_flux_without_sources_searches_first(qtbot, inspector, viewer, said):
    inspector.tabs.setCurrentIndex(2)
    inspector.checks.buttons["faint_flux"].click()
    assert inspector.state.text() == "Searching for sources, then checking..."
    assert not inspector.find.isEnabled()
    finish(qtbot, inspector)
    n = inspector.table.sources.rowCount()
    assert n >= 3
    assert len(marked(viewer, "sources")[0].data) == n
    assert inspector.state.text() == f"{n} sources found. Faint flux checked."
    assert inspector.checks.rows.shown
    assert inspector.tabs.currentIndex() == 2
    assert said == []
    # With sources it only checks.
    table = inspector.collected.table
    inspector.check("faint_flux")
    assert inspector.state.text() == "Checking..."
    finish(qtbot, inspector)
    assert inspector.collected.table is table


def test_faint_flux_has_the_other_dock_search_its_own_result(qtbot, inspector, viewer):
    desk = shown_by_the_other_dock(viewer, inspector)
    inspector.check("faint_flux")
    assert desk.job == "find"
    qtbot.waitUntil(lambda: bool(inspector.checks.rows.shown), timeout=60_000)
    assert desk.session.sources is inspector.collected.table
    assert inspector.state.text().endswith(" sources found. Faint flux checked.")


def test_a_search_that_was_cancelled_is_not_followed_by_a_check(
    qtbot, inspector, viewer, monkeypatch
):
    desk = shown_by_the_other_dock(viewer, inspector)
    let_go, find_now = threading.Event(), METHODS["mesh"].find

    def slow(separation, settings):
        let_go.wait(60)
        return find_now(separation, settings)

    patient = dataclasses.replace(METHODS["mesh"], find=slow)
    monkeypatch.setitem(METHODS, "mesh", patient)
    inspector.check("faint_flux")
    desk.cancel()
    let_go.set()
    qtbot.waitUntil(lambda: desk.job != "find", timeout=60_000)
    qtbot.waitUntil(lambda: inspector.state.text() == "")
    # What is found later by the other dock is no reason to check.
    desk.found.emit(bgrem_core.find_sources(inspector.collected.separation))
    finish(qtbot, inspector)
    assert inspector.collected.table is not None
    assert inspector.checks.rows.shown == ()


def test_a_search_that_fails_is_not_followed_by_a_check(
    qtbot, inspector, viewer, said, monkeypatch
):
    def broken(self, settings):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("napari_bgrem.collected.Collected.find", broken)
    inspector.check("faint_flux")
    finish(qtbot, inspector)
    assert len(said) == 1
    assert inspector.state.text() == ""
    monkeypatch.undo()
    # What the other dock finds later is no reason to check.
    shown_by_the_other_dock(viewer, inspector)
    desk_of(viewer).found.emit(bgrem_core.find_sources(inspector.collected.separation))
    assert inspector.state.text().endswith(" sources found.")
    assert not inspector.jobs.busy


def go(qtbot, inspector, text):
    """Type a place and press Enter."""
    inspector.place.edit.setText(text)
    qtbot.keyClick(inspector.place.edit, Qt.Key.Key_Return)


def test_a_typed_pixel_is_read_as_a_click_there(qtbot, inspector, viewer):
    x, y = star(0)
    go(qtbot, inspector, f"{x}, {y}")
    assert dict(inspector.rows.shown)["Position"].startswith("x 30.")
    [rings] = marked(viewer, "rings")
    np.testing.assert_allclose(rings.data[0], (y, x), atol=0.3)
    assert len(inspector.collected.clicked) == 1
    [index] = inspector.table.selectionModel().selectedRows()
    assert index.row() == 0
    np.testing.assert_allclose(
        viewer.scene.camera.center[-2:], (y * SCALE, x * SCALE), atol=0.3 * SCALE
    )
    # The next place replaces it.
    assert inspector.place.edit.selectedText() == inspector.place.edit.text()
    go(qtbot, inspector, "x 30, y 26")
    assert inspector.table.sources.rowCount() == 1


def test_what_the_rows_say_of_the_sky_can_be_typed(qtbot, inspector):
    go(qtbot, inspector, "{} {}".format(*star(1)))
    rows = dict(inspector.rows.shown)
    for label in ("RA, Dec", "in degrees"):
        go(qtbot, inspector, "{} {}".format(*star(0)))
        assert dict(inspector.rows.shown)["Position"] != rows["Position"]
        go(qtbot, inspector, rows[label])
        assert dict(inspector.rows.shown)["Position"] == rows["Position"]


def test_a_place_that_is_none_is_explained_and_changes_nothing(
    qtbot, inspector, viewer, said
):
    before = viewer.scene.camera.center
    go(qtbot, inspector, "Orion")
    go(qtbot, inspector, "500 2")
    assert said[0].startswith('"orion" is no place. type "123.4 56", ')
    assert said[1].startswith("(500, 2) lies outside the image. x goes from 0 to 139")
    assert viewer.scene.camera.center == before
    assert inspector.collected.clicked == []


def test_the_line_for_a_place_is_reached_by_its_letter(qtbot, inspector):
    assert inspector.place.label.buddy() is inspector.place.edit
    assert inspector.place.label.text() == "&Go to"
    letters = [
        text[text.index("&") + 1].lower()
        for widget in inspector.findChildren(QAbstractButton)
        if "&" in (text := widget.text())
    ]
    assert "g" not in letters
    assert inspector.place.edit.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_without_a_result_no_place_can_be_typed(qtbot):
    made = Inspector(scenes.viewer_with())
    qtbot.addWidget(made)
    assert not made.place.isEnabled()
    made.go_to("1 2")
    assert made.rows.shown == ()


def test_rows_say_what_their_labels_mean(inspector, viewer):
    inspector.inspect.click()
    click(viewer, *star(0))
    tips = {
        label.text(): label.toolTip() for label in inspector.rows.findChildren(QLabel)
    }
    assert "doubt of the aperture correction" in tips["S/N (noise)"]
    assert tips["FWHM"] == ""


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
    inspector.sources.export.click()
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
    inspector.sources.export.click()
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
