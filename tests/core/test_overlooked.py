"""Bright light without a centre."""

import numpy as np
import pytest

from bgrem_core.detect import detect
from bgrem_core.overlooked import overlooked
from bgrem_core.segments import segments_of

FWHM = 4.0


def spot(x, y, peak, width=FWHM, shape=(80, 100)):
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    r2 = (rows - y) ** 2 + (cols - x) ** 2
    return peak * np.exp(-2.7726 * r2 / width**2)


def missing(light, centres, threshold=1.0):
    """Return the places of what was overlooked beside the given centres."""
    plane = light.astype(np.float32)
    x, y = np.array(centres, float).reshape(-1, 2).T
    claimed = segments_of(plane, x, y, threshold=threshold, fwhm=FWHM)
    none = detect(plane, threshold=1e9, fwhm=FWHM)
    found = type(none)(
        x=x, y=y, peak=np.ones(len(x), "f4"), npix=np.ones(len(x), int),
        flags=np.zeros(len(x), "i4"), top=np.zeros((len(x), 2), int), segm=claimed,
    )  # fmt: skip
    bright = detect(plane, threshold=4 * threshold, fwhm=FWHM)
    which = overlooked(plane, found, bright, fwhm=FWHM)
    places = np.stack([bright.x, bright.y], 1)[which].round()
    return [tuple(map(int, place)) for place in places]


def test_bright_light_without_a_centre_is_a_source():
    assert missing(spot(50, 40, 30), []) == [(50, 40)]
    assert missing(spot(50, 40, 30), [(10, 10)]) == [(50, 40)]


def test_light_that_has_its_centre_is_not_found_twice():
    assert missing(spot(50, 40, 30), [(50.4, 39.8)]) == []


def test_faint_light_is_left_to_the_map_of_centres():
    assert missing(spot(50, 40, 3), []) == []


def test_a_star_beside_a_fainter_one_with_a_centre_is_a_source():
    light = spot(50, 40, 300, width=8) + spot(62, 40, 20)
    assert missing(light, [(62, 40)]) == [(50, 40)]


@pytest.mark.parametrize("clump", [8, 20])
def test_a_clump_of_a_galaxy_with_a_centre_is_none(clump):
    light = spot(50, 40, 40, width=25) + spot(64, 44, clump, width=4)
    assert missing(light, [(50, 40)]) == []
