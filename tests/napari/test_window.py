"""The real window: open a sample, run, compare, cancel, save, close, open again."""

import numpy as np
import pytest
from astropy.io import fits
from qtpy.QtCore import QSettings, Qt
from qtpy.QtWidgets import QApplication, QDockWidget, QLabel, QTabBar
from screens import shot

import bgrem_core
from bgrem_core import samples
from bgrem_core.methods import METHODS
from napari_bgrem.mark import mark_of, marked

LONG = 120_000  # milliseconds


@pytest.fixture
def viewer(make_napari_viewer_proxy, tmp_path):
    QSettings.setPath(
        QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path)
    )
    viewer = make_napari_viewer_proxy(show=True)
    viewer.window.resize(1500, 950)
    return viewer


@pytest.fixture
def dock(viewer):
    return viewer.window.add_plugin_dock_widget("napari-bgrem", "Remove background")[1]


def finish(qtbot, dock):
    qtbot.waitUntil(lambda: not dock.desk.busy, timeout=LONG)


def press(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def test_from_the_sample_to_the_comparison_and_back(viewer, dock, qtbot, tmp_path):
    shot(viewer, "window_empty")
    assert not dock.sample.isHidden()
    assert not dock.bar.run.isEnabled()
    press(qtbot, dock.sample)
    source = marked(viewer, "original")[0]
    before = [(layer.name, layer.visible) for layer in viewer.layers]
    assert dock.bar.run.isEnabled()
    shot(viewer, "window_sample")

    press(qtbot, dock.bar.preview)
    finish(qtbot, dock)
    shot(viewer, "window_preview")
    viewer.layers.remove(marked(viewer, "preview")[0])

    press(qtbot, dock.bar.run)
    assert dock.bar.cancel.isEnabled()
    finish(qtbot, dock)
    assert viewer.canvas.grid.enabled
    assert dock.bar.line.text().endswith("on cpu.")
    shot(viewer, "window_compare")
    expected = bgrem_core.clean(samples.path("decam_r"))
    cleaned = marked(viewer, "cleaned")[0]
    np.testing.assert_array_equal(cleaned.data, expected.cleaned)

    dock.look.slider.setValue(40)
    qtbot.waitUntil(lambda: dock.blend.strength == 0.4, timeout=LONG)
    half = bgrem_core.clean(samples.path("decam_r"), strength=0.4)
    np.testing.assert_array_equal(cleaned.data, half.cleaned)
    shot(viewer, "window_strength")

    dock.look.gradient.setChecked(True)
    qtbot.waitUntil(lambda: dock.blend.strength == 0, timeout=LONG)
    np.testing.assert_array_equal(
        cleaned.data, expected.image.data - np.asarray(expected.parts["sky"])
    )

    path = tmp_path / "result.fits"
    dock.write(str(path))
    with fits.open(path) as written:
        names = [hdu.name for hdu in written]
        assert {"SKY", "NOISE", "RESIDUAL", "MASK", "UNCERT"} <= set(names)
        image = next(h for h in written if "BGRVER" in h.header)
        np.testing.assert_array_equal(image.data, cleaned.data)

    press(qtbot, dock.look.compare)
    assert not viewer.canvas.grid.enabled
    for name, visible in before:
        assert viewer.layers[name].visible == visible
    shot(viewer, "window_left")

    press(qtbot, dock.look.blink)
    assert [source.visible, cleaned.visible] == [True, False]
    press(qtbot, dock.look.blink)
    assert [source.visible, cleaned.visible] == [False, True]
    press(qtbot, dock.look.compare)

    press(qtbot, dock.python)
    assert "bgrem_core.clean" in QApplication.clipboard().text()
    assert "strength=0.0" in QApplication.clipboard().text()


def test_keys_work_while_the_dock_is_shown_and_not_after(viewer, dock, qtbot):
    viewer.open_sample("napari-bgrem", "decam_r")
    qtbot.waitUntil(lambda: dock.desk.source is not None)
    assert [str(k) for k in viewer.keymap if "Shift" in str(k)]
    dock.start()
    finish(qtbot, dock)
    assert dock.comparison.active
    dock.looking.compare()
    assert not dock.comparison.active
    dock.parent().hide()
    assert not [k for k in viewer.keymap if "Shift" in str(k)]


def test_a_new_method_gets_its_form(viewer, dock, qtbot, toy_method):
    dock.hide()
    dock.show()
    dock.choice.method.setCurrentIndex(dock.choice.method.findData("toy"))
    form = dock.choice.plain.entries
    assert set(form) == {"level", "mood", "tile"} - set(dock.choice.more.entries)
    assert not dock.choice.model.isVisible()
    viewer.open_sample("napari-bgrem", "decam_r")
    form["level"].set_value(7.0)
    dock.start()
    finish(qtbot, dock)
    cleaned = marked(viewer, "cleaned")[0]
    image = mark_of(cleaned).image
    np.testing.assert_array_equal(cleaned.data, image.data - np.float32(7))
    shot(viewer, "window_toy")
    assert "toy" in METHODS


def test_what_was_typed_wrong_is_said_and_nothing_starts(
    viewer, dock, qtbot, monkeypatch
):
    told = []
    monkeypatch.setattr("napari_bgrem._qt.dock._say", told.append)
    viewer.open_sample("napari-bgrem", "decam_r")
    dock.choice.plain.entries["sky_scale"].set_value("lots")
    dock.start()
    assert "Sky scale" in str(told[0])
    assert not dock.desk.busy
    dock.choice.plain.entries["sky_scale"].set_value("auto")
    dock.choice.noise.by_hand.setChecked(True)
    dock.choice.noise.line.setText("much")
    dock.start()
    assert "noise" in str(told[1])
    assert not dock.desk.busy


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (np.zeros((6, 6), np.float32), "16"),
        (np.full((40, 40), np.nan, np.float32), "finite"),
        (np.full((6, 40, 40), np.nan, np.float32), "finite"),
    ],
)
def test_images_that_cannot_be_used_are_refused(viewer, dock, monkeypatch, data, word):
    told = []
    monkeypatch.setattr("napari_bgrem._qt.dock._say", told.append)
    viewer.add_image(data, name="bad")
    dock.start()
    assert not dock.desk.busy
    assert word in str(told[0])


def test_a_run_made_while_comparing_is_the_one_compared(viewer, dock, qtbot, tmp_path):
    viewer.open_sample("napari-bgrem", "decam_r")
    dock.choice.method.setCurrentIndex(dock.choice.method.findData("mesh"))
    dock.start()
    finish(qtbot, dock)
    dock.choice.plain.entries["sky_scale"].set_value(64)
    dock.start()
    finish(qtbot, dock)
    shown = [group[0] for group in dock.comparison.groups]
    assert [mark_of(layer).run for layer in shown] == ["", "2", "2"]
    assert all(layer.visible for layer in shown)
    dock.comparison.leave()
    qtbot.wait(500)
    for layer in marked(viewer, "cleaned"):
        viewer.layers.remove(layer)
        qtbot.wait(500)
    assert dock.desk.result is None
    assert not dock.save.isEnabled()
    assert not dock.look.compare.isEnabled()


def test_cancel_in_the_window_leaves_a_partial_layer(viewer, dock, qtbot, toy_method):
    import threading

    opened = threading.Event()
    toy_method.hook["before_tile"] = lambda done: done < 3 or opened.wait(30)
    dock.hide()
    dock.show()
    dock.choice.method.setCurrentIndex(dock.choice.method.findData("toy"))
    dock.choice.plain.entries["tile"].set_value(64)
    viewer.open_sample("napari-bgrem", "decam_r")
    dock.start()
    qtbot.waitUntil(lambda: bool(marked(viewer, "partial")), timeout=LONG)
    press(qtbot, dock.bar.cancel)
    assert "Stopping" in dock.bar.line.text()
    opened.set()
    finish(qtbot, dock)
    assert marked(viewer, "partial")[0].name.endswith("partial")
    assert dock.bar.run.isEnabled()
    shot(viewer, "window_cancelled")


def test_a_window_may_be_closed_while_a_run_is_at_work(viewer, dock, qtbot, toy_method):
    import threading

    reached, opened = threading.Event(), threading.Event()

    def gate(done):
        reached.set()
        assert opened.wait(30)

    toy_method.hook["before_tile"] = gate
    dock.hide()
    dock.show()
    dock.choice.method.setCurrentIndex(dock.choice.method.findData("toy"))
    viewer.open_sample("napari-bgrem", "decam_r")
    dock.start()
    assert reached.wait(30)
    session = dock.desk.session
    viewer.close()
    opened.set()
    assert session.wait(30)


def test_a_closed_dock_can_be_opened_again(viewer, dock, qtbot):
    viewer.open_sample("napari-bgrem", "decam_r")
    viewer.window.remove_dock_widget(dock)
    QApplication.sendPostedEvents(None, 0)
    again = viewer.window.add_plugin_dock_widget("napari-bgrem", "Remove background")[1]
    assert again is not dock
    again.start()
    finish(qtbot, again)
    assert marked(viewer, "cleaned")


def test_a_result_from_a_file_can_be_compared_and_its_original_run(
    viewer, dock, qtbot, tmp_path
):
    result = bgrem_core.clean(samples.path("decam_r"), method="mesh")
    path = bgrem_core.write(result, tmp_path / "BGRem_x.fits", layers=True)
    assert not dock.look.compare.isEnabled()
    viewer.open(str(path), plugin="napari-bgrem")
    qtbot.waitUntil(dock.look.compare.isEnabled)
    assert "from a file" in dock.guide.text()
    assert not dock.find.isEnabled()
    assert not dock.save.isEnabled()
    press(qtbot, dock.look.compare)
    assert [mark_of(g[0]).role for g in dock.comparison.groups] == [
        "original", "cleaned", "residual",
    ]  # fmt: skip
    last = viewer.canvas.overlays.scale_bar
    qtbot.waitUntil(lambda: last.visible, timeout=LONG)
    shot(viewer, "window_file")
    said = dock.comparison.groups[1][0].get_status((60, 60), world=True)["coordinates"]
    order = [said.index(word) for word in ("original", "cleaned", "residual")]
    assert order == sorted(order)
    press(qtbot, dock.look.compare)
    dock.choice.method.setCurrentIndex(dock.choice.method.findData("mesh"))
    dock.start()
    finish(qtbot, dock)
    assert dock.save.isEnabled()
    assert mark_of(dock.comparison.groups[1][0]).run == "1"


def test_a_colour_image_is_compared_in_colour(viewer, dock, qtbot):
    frame = bgrem_core.open_image(samples.path("decam_r")).data
    low, high = np.percentile(frame, (1, 99.5))
    grey = np.clip((frame - low) / (high - low), 0, 1)
    rgb = (255 * np.stack([grey, grey**0.8, grey**0.6], axis=-1)).astype(np.uint8)
    viewer.add_image(rgb, rgb=True, name="colour")
    dock.choice.method.setCurrentIndex(dock.choice.method.findData("mesh"))
    qtbot.waitUntil(lambda: dock.desk.source is not None)
    dock.start()
    finish(qtbot, dock)
    shown = [group[0] for group in dock.comparison.groups]
    assert [layer.name for layer in shown] == [
        "colour", "colour: cleaned in colour", "colour: residual in colour",
    ]  # fmt: skip
    last = viewer.canvas.overlays.scale_bar
    qtbot.waitUntil(lambda: last.visible, timeout=LONG)
    assert not any(layer.colorbar.visible for layer in shown)
    assert all(layer.name_overlay.visible for layer in shown)
    shot(viewer, "window_colour")


def test_the_titles_of_the_docks_are_not_cut(viewer, dock, qtbot):
    dock.open_inspector()
    area = dock.parent()
    while not isinstance(area, QDockWidget):
        area = area.parent()
    (bar,) = {
        tabs for tabs in dock.window().findChildren(QTabBar)
        if "Remove background" in [tabs.tabText(k) for k in range(tabs.count())]
    }  # fmt: skip
    assert "Inspect sources" in [bar.tabText(k) for k in range(bar.count())]
    area.raise_()
    label = next(
        label for label in area.titleBarWidget().findChildren(QLabel) if label.text()
    )
    qtbot.waitUntil(label.isVisible)
    assert label.width() >= label.sizeHint().width()
    edge = label.mapTo(area.titleBarWidget(), label.rect().topRight()).x()
    assert edge <= area.titleBarWidget().width()
    shot(viewer, "window_tabs")
