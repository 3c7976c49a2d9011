"""Stars in the window: their words, their amount, and a click on one of them."""

import dataclasses

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer
from qtpy.QtCore import Qt

import bgrem_core
from bgrem_core.image import Stack
from bgrem_core.inspection_rows import row_help
from bgrem_core.methods import METHODS
from bgrem_core.simulate.stars import draw_star_field, preset
from bgrem_core.strength import STRENGTH, at_strength
from bgrem_core.words import words_of
from napari_bgrem._qt.inspector import Inspector
from napari_bgrem._qt.look import LookPanel
from napari_bgrem._qt.strength import Strength
from napari_bgrem._qt.table import SourceTable
from napari_bgrem.blends import Blends
from napari_bgrem.called import layer_words, role_name
from napari_bgrem.desk import desk_of
from napari_bgrem.guide import next_step
from napari_bgrem.in_colour import IN_COLOUR
from napari_bgrem.job import Job, made_of
from napari_bgrem.mark import KEY, Mark, mark_of
from napari_bgrem.status import follow

SIDE = 160


@pytest.fixture(scope="module")
def field():
    scene = dataclasses.replace(preset("RGB"), stars=60, nebula=200.0)
    return draw_star_field(np.random.default_rng(12), (SIDE, SIDE), scene)


@pytest.fixture(scope="module")
def result(field):
    image = bgrem_core.open_image(field.image[0], gain=1.0, zeropoint=25.0)
    return bgrem_core.remove_stars(image)


@pytest.fixture(scope="module")
def colours(field):
    planes = tuple(bgrem_core.open_image(plane) for plane in field.image)
    return bgrem_core.remove_stars(Stack(planes=planes, axis_name="rgb", kind="rgb"))


def shown(result, source, name="m42"):
    """Return a viewer with a source and the layers of a result."""
    viewer = ViewerModel()
    viewer.add_layer(source)
    job = Job(kind="run", name=name, number="1", source=source, image=None)
    for made in made_of(job, result):
        viewer.add_layer(Layer.create(*made))
    return viewer


@pytest.fixture
def viewer(result):
    mark = Mark(role="original", image=result.image)
    return shown(result, Image(result.image.data, name="m42", metadata={KEY: mark}))


def layer(viewer, role, run=None):
    return next(
        one for one in viewer.layers
        if (mark := mark_of(one)) and mark.role == role and run in (None, mark.run)
    )  # fmt: skip


def test_layers_are_called_as_the_method_calls_what_it_makes(viewer):
    assert [one.name for one in viewer.layers] == [
        "m42", "m42: starless", "m42: stars", "m42: stars (part)", "m42: mask",
    ]  # fmt: skip
    assert layer_words(viewer.layers) == ("Original", "Starless", "Stars")


def test_the_status_bar_says_the_words_of_the_method(viewer):
    follow(viewer)
    said = layer(viewer, "cleaned").get_status((40.0, 30.0), world=True)["coordinates"]
    words = [word for word in said.split() if word.isalpha()]
    assert [w for w in words if w in ("original", "starless", "stars")] == [
        "original", "starless", "stars",
    ]  # fmt: skip
    assert "cleaned" not in said


def test_a_saved_result_is_called_by_its_header():
    header = {"BGRMETH": "stars"}
    data = np.zeros((4, 4), np.float32)
    saved = Image(data, metadata={"header": header, KEY: Mark(role="cleaned")})
    assert layer_words([saved]) == ("Original", "Starless", "Stars")
    strange = Image(data, metadata={"header": {"BGRMETH": "later"}})
    assert layer_words([strange]) == ("Original", "Cleaned", "Residual")


def test_roles_without_a_word_keep_their_names():
    words = METHODS["stars"].panels
    assert role_name("residual in colour", words) == "stars in colour"
    assert role_name("uncertainty", words) == "uncertainty"


def test_the_guide_speaks_of_starless_and_stars():
    said = next_step("done", METHODS["stars"].panels)
    assert "original, starless and stars side by side" in said
    for method in METHODS.values():
        assert "{" not in next_step("compared", method.panels)


def test_the_slider_counts_the_stars_that_are_in_the_image(qtbot):
    panel = LookPanel()
    qtbot.addWidget(panel)
    panel.show()
    assert panel.label.text() == "Strength"
    assert panel.gradient.isVisible()
    panel.set_words(METHODS["stars"].panels, METHODS["stars"].slider)
    assert panel.label.text() == panel.slider.accessibleName() == "Star amount"
    assert not panel.gradient.isVisible()
    assert "Original and starless in turn" in panel.blink.toolTip()
    assert (panel.slider.value(), panel.percent.text()) == (0, "0 %")
    panel.set_ready(result=True, strength=True)
    moved, settled = [], []
    panel.strength_moved.connect(moved.append)
    panel.strength_settled.connect(settled.append)
    panel.slider.setValue(30)
    assert moved == settled == [0.7]
    assert panel.percent.text() == "30 %"
    # Another method counts the same strength its own way.
    panel.set_words(METHODS["bgrem"].panels, STRENGTH)
    assert (panel.slider.value(), panel.strength) == (70, 0.7)
    assert len(moved) == 1


def test_a_click_on_a_star_tells_what_was_taken_and_what_is_left(qtbot, viewer, result):
    inspector = Inspector(viewer)
    qtbot.addWidget(inspector)
    inspector.show()
    row = int(np.argmin(np.hypot(*(result.catalog[n].value - SIDE / 2 for n in "xy"))))
    star = result.catalog[row]
    at = star["x"].value, star["y"].value
    inspector.click(layer(viewer, "original"), at[0] + 0.8, at[1] - 0.6)
    rows = dict(inspector.source.rows.shown)
    expected = bgrem_core.inspect(result, *at)
    assert rows == dict(expected.rows())
    assert {"Flux (star)", "Magnitude", "S/N (star)", "Spread", "Left of it"} <= set(
        rows
    )
    tips = row_help(words_of(result))
    assert {"Flux (star)", "Flux in starless", "Left of it"} <= set(tips)
    # The row that the click added holds what the method knows.
    table = inspector.table.sources
    count = table.columnCount()
    heads = [table.headerData(k, Qt.Orientation.Horizontal) for k in range(count)]
    assert {"Spread", "Flux starless"} <= set(heads)
    assert table.position(0) == pytest.approx(at)
    assert inspector.title.text() == "m42   ·   Stars"


def test_what_is_shown_of_a_star_follows_the_amount(qtbot, viewer, result):
    inspector = Inspector(viewer)
    qtbot.addWidget(inspector)
    inspector.show()
    star = result.catalog[1]
    inspector.click(layer(viewer, "original"), star["x"].value, star["y"].value)
    roles = {mark_of(x).role: x for x in viewer.layers if mark_of(x).run == "1"}
    strength = Strength(inspector)
    strength.take(result, {"1": roles})
    strength.settled.connect(desk_of(viewer).blended.emit)
    with qtbot.waitSignal(strength.settled):
        strength.settle(0.6)
    expected = bgrem_core.inspect(
        at_strength(result, 0.6), star["x"].value, star["y"].value
    )
    assert inspector.source.rows.shown == expected.rows()
    assert len(inspector.collected.clicked) == 1


def test_heads_say_what_the_method_means_by_a_column(qtbot, result):
    table = SourceTable()
    qtbot.addWidget(table)
    table.fill(bgrem_core.find_sources(result), (), METHODS["stars"].columns)
    model, across = table.sources, Qt.Orientation.Horizontal
    tips = {
        model.shown[k].name: model.headerData(k, across, Qt.ItemDataRole.ToolTipRole)
        for k in range(model.columnCount())
    }
    assert tips["flux"] == "light that was taken away as this star"
    assert "starless" in tips["flux_cleaned"]


@pytest.fixture
def in_colour(field, colours):
    grey = np.clip(np.moveaxis(field.image, 0, -1) / 4000, 0, 1)
    source = Image((255 * grey).astype(np.uint8), rgb=True, name="m42")
    return source, shown(colours, source)


def test_of_a_colour_image_stars_stand_on_black(in_colour, colours):
    _, viewer = in_colour
    assert [layer(viewer, role).name for role in IN_COLOUR] == [
        "m42: starless in colour", "m42: stars in colour",
    ]  # fmt: skip
    stars = layer(viewer, IN_COLOUR[1]).data
    nothing = np.all([p.residual == 0 for p in colours.planes], axis=0)
    assert nothing.any()
    assert not stars[nothing].any()
    assert stars.any()


def test_the_amount_of_stars_of_a_colour_image_is_that_of_all_its_planes(
    in_colour, colours
):
    source, viewer = in_colour
    runs = [f"1.{k}" for k in (1, 2, 3)]
    planes = [
        {
            mark_of(x).role: x
            for x in viewer.layers
            if mark_of(x) and mark_of(x).run == run
        }
        for run in runs
    ]
    mixed = {role: layer(viewer, role) for role in IN_COLOUR}
    before = {role: one.data.copy() for role, one in mixed.items()}
    blends = Blends(colours, planes, mixed)
    assert blends.possible
    for one in mixed.values():
        one.visible = True
        one.corner_pixels = np.array([[0, 0], [SIDE - 1, SIDE - 1]])
    blends.show(0.25)
    quick = {role: one.data.copy() for role, one in mixed.items()}
    assert list(blends.settle(0.25))
    for role, one in mixed.items():
        np.testing.assert_array_equal(one.data, quick[role])
    for k, (run, plane) in enumerate(zip(runs, colours.planes, strict=True)):
        expected = at_strength(plane, 0.25)
        np.testing.assert_array_equal(planes[k]["cleaned"].data, expected.cleaned)
        assert (
            mark_of(layer(viewer, "cleaned", run)).separation.catalog is plane.catalog
        )
        channel = np.rint(np.clip(expected.residual, 0, 255)).astype(np.uint8)
        np.testing.assert_array_equal(mixed[IN_COLOUR[1]].data[..., k], channel)
    assert [p.provenance.settings["strength"] for p in blends.shown.planes] == [
        0.25
    ] * 3
    assert blends.shown.stack is colours.stack
    list(blends.settle(1.0))
    for role, one in mixed.items():
        np.testing.assert_array_equal(one.data, before[role])
    assert source in viewer.layers
    blends.forget(mixed[IN_COLOUR[0]])
    list(blends.settle(0.5))
    np.testing.assert_array_equal(mixed[IN_COLOUR[0]].data, before[IN_COLOUR[0]])
