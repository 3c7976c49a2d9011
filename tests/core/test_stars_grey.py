"""Linear images as grey levels, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgrem_core.errors import ImageError, UsageError
from bgrem_core.stars.cohen import cohen2021
from bgrem_core.stars.grey import grey_map

SCALES = st.sampled_from([1e-12, 1e-3, 1.0, 1e6])
LEVELS = st.sampled_from([-1e3, 0.0, 250.0])


def sky(seed=1, shape=(60, 70)):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    out = 60 * np.exp(-((y - 30) ** 2 + (x - 35) ** 2) / 300) + rng.normal(0, 2, shape)
    out[20:22, 10:13] = 5000
    return out


@given(st.integers(0, 99), SCALES, LEVELS)
def test_percentiles_become_black_and_white_and_what_is_between_comes_back(
    seed, scale, level
):
    image = scale * (sky(seed) + level)
    of = grey_map(image)
    assert (of.black, of.white) == tuple(np.percentile(image, [0.5, 99.5]))
    grey = of.to_grey(image)
    assert (grey.min(), grey.max()) == (0, 255)
    assert of.background == pytest.approx(np.percentile(grey, 30), abs=1e-6)
    inside = (image >= of.black) & (image <= of.white)
    assert inside.mean() > 0.98
    back = of.to_linear(grey)
    size = np.abs(image).max()
    np.testing.assert_allclose(back[inside], image[inside], rtol=0, atol=1e-12 * size)
    np.testing.assert_allclose(back[image > of.white], of.white, rtol=1e-12)


def test_neither_scale_nor_level_of_the_image_changes_its_grey_levels():
    image = sky()
    grey = grey_map(image).to_grey(image)
    for scale, level in ((1e-9, 0.0), (1e6, 0.0), (1.0, -1000.0)):
        other = scale * image + level
        again = grey_map(other)
        np.testing.assert_allclose(again.to_grey(other), grey, atol=1e-8)
        assert again.background == pytest.approx(grey_map(image).background)


def test_light_beyond_white_is_in_the_stars_and_the_sum_is_the_image():
    image = sky()
    of = grey_map(image)
    diffused = cohen2021(of.to_grey(image), background=of.background, iterations=20)
    starless = of.to_linear(diffused.image)
    stars = image - starless
    np.testing.assert_allclose(starless + stars, image, rtol=1e-15, atol=1e-12)
    assert starless.max() <= of.white * (1 + 1e-12)
    assert stars[20, 11] > 5000 - of.white


def test_a_sky_without_light_below_it_has_a_background_of_one_grey_level():
    image = np.zeros((40, 40))
    image[:10] = np.arange(400).reshape(10, 40)
    assert grey_map(image).background == 1


def test_pixels_that_are_not_finite_are_not_used_and_stay():
    image = sky()
    holed = image.copy()
    holed[0, :3] = np.nan, np.inf, -np.inf
    of = grey_map(holed)
    known = np.isfinite(holed)
    assert of.white == np.percentile(image[known], 99.5)
    grey = of.to_grey(holed)
    assert np.isnan(grey[0, 0])
    assert (grey[0, 1], grey[0, 2]) == (255, 0)


def test_images_and_percentiles_that_cannot_be_mapped_are_refused():
    with pytest.raises(ImageError, match=r"no contrast.*same level, 7"):
        grey_map(np.full((8, 8), 7.0))
    with pytest.raises(ImageError, match="no pixel is finite"):
        grey_map(np.full((8, 8), np.nan))
    for wrong in ({"clip": (99, 1)}, {"clip": (-1, 50)}, {"sky": 101}):
        with pytest.raises(UsageError, match="are no percentiles"):
            grey_map(sky(), **wrong)
