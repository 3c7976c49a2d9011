"""Rings: where they lie, how large they are, what they say."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import QTable
from napari.layers import Layer

sys.path.insert(0, str(Path(__file__).parent))
import scenes

from bgrem_core.find import find_sources
from bgrem_core.inspection import inspect
from bgrem_core.settings import FindSettings
from bgrem_core.truth import match
from napari_bgrem.comparison import OVER, Comparison
from napari_bgrem.mark import KEY, mark_of, marked
from napari_bgrem.rings import FATES, Rings, sources_layer, truth_layer

PLACED = {"scale": (0.36, 0.36), "units": ("arcsec",) * 2, "translate": (7, -3)}


@pytest.fixture(scope="module")
def separation():
    return scenes.result()


@pytest.fixture(scope="module")
def table(separation):
    return find_sources(separation, FindSettings())


@pytest.fixture
def trio(separation):
    return scenes.layers_of(separation, **PLACED)


@pytest.fixture
def viewer(trio):
    return scenes.viewer_with(*trio)


def test_rings_lie_on_each_image_in_data_pixels(viewer, trio, separation):
    seen = inspect(separation, *scenes.STARS[0])
    Rings(viewer).show(seen, trio)
    drawn = marked(viewer, "rings")
    assert [layer.metadata[OVER] for layer in drawn] == trio
    for layer in drawn:
        np.testing.assert_allclose(layer.data, [[seen.y, seen.x]] * 3)
        np.testing.assert_allclose(layer.size, 2 * np.array([seen.radius, *seen.ring]))
        np.testing.assert_allclose(
            layer.data_to_world(layer.data[0]),
            trio[0].data_to_world((seen.y, seen.x)),
        )
        assert layer.units == trio[0].units
        assert np.ptp(layer.face_color[:, 3]) == layer.face_color[0, 3] == 0


def test_the_next_click_moves_them_and_selects_nothing(viewer, trio, separation):
    viewer.layers.selection = set(trio)
    rings = Rings(viewer)
    for star in scenes.STARS:
        seen = inspect(separation, *star)
        rings.show(seen, trio)
    assert len(viewer.layers) == 6
    assert set(viewer.layers.selection) == set(trio)
    np.testing.assert_allclose(marked(viewer, "rings")[2].data[0], [seen.y, seen.x])


def test_what_may_be_noise_is_ringed_in_another_colour(viewer, trio, separation):
    rings = Rings(viewer)
    rings.show(inspect(separation, *scenes.STARS[0]), trio)
    [one, *_] = marked(viewer, "rings")
    star = one.border_color[0].copy()
    empty = inspect(separation, 120, 20)
    rings.show(empty, trio)
    assert empty.snr < 3
    assert not np.allclose(one.border_color[0], star)


def test_only_the_images_that_are_named_are_ringed(viewer, trio, separation):
    seen = inspect(separation, *scenes.STARS[0])
    rings = Rings(viewer)
    rings.show(seen, trio)
    rings.show(seen, trio[1:2])
    assert [x.metadata[OVER] for x in marked(viewer, "rings")] == trio[1:2]
    rings.clear()
    rings.clear()
    assert list(viewer.layers) == trio


def test_rings_that_the_user_deleted_or_hid_come_again(viewer, trio, separation):
    seen = inspect(separation, *scenes.STARS[0])
    rings = Rings(viewer)
    rings.show(seen, trio)
    first, second, _ = marked(viewer, "rings")
    viewer.layers.remove(first)
    second.visible = False
    rings.show(seen, trio)
    assert len(marked(viewer, "rings")) == 3
    assert all(layer.visible for layer in marked(viewer, "rings"))


def test_lines_stay_thin_while_rings_grow_with_the_zoom(viewer, trio, separation):
    rings = Rings(viewer)
    rings.show(inspect(separation, *scenes.STARS[0]), trio)
    [one, *_] = marked(viewer, "rings")
    size = one.size.copy()
    for zoom in (0.5, 5.0, 80.0):
        viewer.scene.camera.zoom = zoom
        screen = one.border_width * 0.36 * zoom
        np.testing.assert_allclose(screen, 1.6, rtol=0.3)
    np.testing.assert_array_equal(one.size, size)
    rings.clear()
    assert rings.pen._on_zoom not in [
        c for c in viewer.scene.camera.events.zoom.callbacks if callable(c)
    ]


def test_in_the_comparison_each_cell_has_its_ring(viewer, trio, separation):
    compare = Comparison(viewer)
    compare.enter([[layer] for layer in trio])
    Rings(viewer).show(inspect(separation, *scenes.STARS[0]), trio)
    grid = viewer.canvas.grid
    for (_, inside), image in zip(
        grid.iter_viewboxes(viewer.layers), trio, strict=True
    ):
        visible = [viewer.layers[k] for k in inside if viewer.layers[k].visible]
        assert visible[0] is image
        assert [x.metadata.get(OVER) for x in visible[1:]] == [image]


def test_sources_become_points_with_the_columns_as_features(trio, table):
    layer = Layer.create(*sources_layer(table, trio[1]))
    assert len(layer.data) == len(table) >= 3
    np.testing.assert_allclose(layer.data[:, 1], table["x"].value)
    np.testing.assert_allclose(layer.features["flux"], table["flux"].value)
    mark = mark_of(layer)
    assert (mark.role, mark.run) == ("sources", "1")
    assert mark.separation is mark_of(trio[1]).separation
    np.testing.assert_allclose(layer.scale, trio[1].scale)
    assert layer.size.min() >= 4


def test_a_catalogue_without_sources_is_a_layer_without_points(trio, table):
    layer = Layer.create(*sources_layer(table[:0], trio[1]))
    assert len(layer.data) == 0


def test_hits_misses_and_false_ones_differ_in_colour_and_shape(trio, table):
    real = QTable(
        {"x": [*table["x"].value[1:], 100.0], "y": [*table["y"].value[1:], 20.0]}
    )
    fate = match(table, real, fwhm=scenes.FWHM)
    layer = Layer.create(*truth_layer(fate, table, real, trio[1]))
    words = list(layer.features["fate"])
    assert words == ["hit"] * (len(table) - 1) + ["miss", "false"]
    np.testing.assert_allclose(layer.data[-2], [20, 100])
    assert [str(x) for x in layer.symbol[-3:]] == [FATES[w][1] for w in words[-3:]]
    assert len(np.unique(layer.border_color, axis=0)) == 3
    assert len({FATES[w][1] for w in FATES}) == 3


def test_what_nobody_could_find_is_not_shown_as_missed(trio, table):
    real = QTable({"x": [100.0, 110.0], "y": [20.0, 30.0], "snr": [4.9, 5.1]})
    fate = match(table, real, fwhm=scenes.FWHM)
    layer = Layer.create(*truth_layer(fate, table, real, trio[1]))
    missed = layer.data[layer.features["fate"] == "miss"]
    np.testing.assert_allclose(missed, [[30, 110]])


def test_no_truth_and_no_sources_are_no_points(trio, table):
    nothing = table[:0]
    fate = match(nothing, QTable({"x": [], "y": []}), fwhm=4)
    made = truth_layer(fate, nothing, nothing, trio[1])
    assert len(Layer.create(*made).data) == 0
    assert made[1]["metadata"][KEY].role == "fates"
