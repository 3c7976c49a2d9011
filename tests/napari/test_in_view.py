"""What is in view, in pixels of the full image."""

import numpy as np
from napari.layers import Image

from napari_bgrem.in_view import block_in_view


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
