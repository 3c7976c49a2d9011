"""Planes: what is worked on at once does not grow with the plane."""

import pytest

from bgrem_core.planes import BAND, bands


@pytest.mark.parametrize("width", [1, 256, 2**13, 2**13 + 1, 30000, 2**22])
def test_bands_cover_a_plane_and_hold_a_bounded_number_of_pixels(width):
    rows = [r for band in bands((1000, width)) for r in range(band.start, band.stop)]
    assert rows == list(range(1000))
    tallest = max(band.stop - band.start for band in bands((1000, width)))
    assert tallest <= 256
    assert tallest == 1 or tallest * width <= BAND


def test_bands_of_a_given_height_have_it():
    assert list(bands((5, 2**22), 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
