"""What is in view, in pixels of the full image."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_bgrem.comparison import Comparison
from napari_bgrem.in_view import block_in_view, bring_into_view


def bounds(block):
    return [(b.start, b.stop) for b in block]


def test_the_corners_that_were_drawn_are_a_block():
    layer = Image(np.zeros((100, 120)))
    layer.corner_pixels = np.array([[10, 20], [49, 69]])
    assert bounds(block_in_view(layer)) == [(10, 50), (20, 70)]


def test_of_a_pyramid_it_is_in_pixels_of_the_full_level():
    levels = [np.zeros((400, 600)), np.zeros((200, 300)), np.zeros((100, 150))]
    layer = Image(levels, multiscale=True)
    layer.data_level = 2
    layer.corner_pixels = np.array([[10, 20], [29, 49]])
    (top, bottom), (left, right) = bounds(block_in_view(layer))
    assert (top, left) == (40, 80)
    assert bottom >= 29 * 4
    assert right >= 49 * 4
    layer.corner_pixels = np.array([[0, 0], [99, 149]])
    (top, bottom), (left, right) = bounds(block_in_view(layer))
    assert bottom <= 400
    assert right <= 600


def test_a_layer_beside_the_canvas_is_not_in_view():
    layer = Image(np.zeros((100, 120)))
    for corner in ([0, 0], [99, 119], [0, 119]):
        layer.corner_pixels = np.array([corner, corner])
        assert block_in_view(layer) is None


def test_of_several_planes_rows_and_columns_count():
    layer = Image(np.zeros((3, 100, 120)))
    layer.corner_pixels = np.array([[0, 10, 20], [0, 49, 69]])
    assert bounds(block_in_view(layer)) == [(10, 50), (20, 70)]


@pytest.fixture
def viewer():
    viewer = ViewerModel()
    viewer.canvas.size = (600, 900)
    viewer.add_image(np.zeros((100, 120)), name="here")
    viewer.reset_view()
    return viewer


def seen(viewer):
    """Corners of what the canvas shows."""
    camera = viewer.scene.camera
    half = np.array(viewer.canvas.viewbox_size(viewer.layers)) / camera.zoom / 2
    middle = np.array(camera.center[-2:])
    return middle - half, middle + half


def test_an_image_out_of_view_is_brought_there_whole(viewer):
    far = viewer.add_image(
        np.zeros((40, 60)), scale=(3, 3), translate=(0, 5000), name="far"
    )
    assert bring_into_view(viewer, far)
    low, high = seen(viewer)
    assert (low <= far.extent.world[0]).all()
    assert (high >= far.extent.world[1]).all()
    assert (high - low).min() < 1.2 * (far.extent.world[1] - far.extent.world[0]).max()


@pytest.mark.parametrize("translate", [(0, 0), (0, 110), (-39, 0), (95, 115)])
def test_the_camera_stays_where_any_of_the_image_is_seen(viewer, translate):
    layer = viewer.add_image(np.zeros((40, 60)), translate=translate)
    camera = viewer.scene.camera
    before = camera.center, camera.zoom
    assert not bring_into_view(viewer, layer)
    assert (camera.center, camera.zoom) == before


def test_in_three_dimensions_the_camera_stays(viewer):
    far = viewer.add_image(np.zeros((4, 40, 60)), translate=(0, 0, 5000))
    viewer.dims.ndisplay = 3
    before = viewer.scene.camera.center
    assert not bring_into_view(viewer, far)
    assert viewer.scene.camera.center == before


def test_what_is_compared_is_seen(viewer):
    pair = [
        viewer.add_image(np.zeros((50, 50)), translate=(9000, 0), name=name)
        for name in ("original", "cleaned")
    ]
    Comparison(viewer).enter([[layer] for layer in pair])
    low, high = seen(viewer)
    extent = pair[0].extent.world
    assert (low <= extent[0]).all()
    assert (high >= extent[1]).all()


def test_of_an_image_in_colour_rows_and_columns_count():
    layer = Image(np.zeros((40, 60, 3), np.uint8), rgb=True)
    layer.corner_pixels = np.array([[5, 10], [19, 49]])
    assert block_in_view(layer) == (slice(5, 20), slice(10, 50))
