import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bgrem_core.segments import segments_of


def stars(places, shape=(120, 140), sigma=2.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape, np.float32)
    for px, py, height in places:
        image += height * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
    return image


def label(image, places, **more):
    x, y = (np.array([p[k] for p in places], float) for k in (0, 1))
    return segments_of(image, x, y, **{"threshold": 1.0, "fwhm": 4.7, **more})


def test_a_source_alone_has_all_pixels_that_it_is_connected_with():
    places = [(30, 40, 50), (100, 80, 9)]
    image = stars([*places, (60, 100, 20)])
    segm = label(image, places)
    islands, _ = ndimage.label(image >= 1, np.ones((3, 3)))
    np.testing.assert_array_equal(segm == 1, islands == islands[40, 30])
    np.testing.assert_array_equal(segm == 2, islands == islands[80, 100])
    assert segm[100, 60] == 0  # nobody's light


def test_two_that_meet_are_parted_at_their_profiles():
    places = [(60, 60, 100), (67, 60, 100)]
    segm = label(stars(places), places)
    assert (segm[60, 60:64] == 1).all()
    assert (segm[60, 64:68] == 2).all()
    places = [(60, 60, 1000), (67, 60, 30)]
    segm = label(stars(places), places)
    assert segm[60, 64] == segm[60, 65] == 1  # the wing of the bright one
    assert segm[60, 67] == 2
    assert (segm == 1).sum() > 3 * (segm == 2).sum()


def test_a_source_below_the_threshold_has_its_own_pixel():
    segm = label(np.zeros((20, 20), np.float32), [(5.4, 7.2, 0)])
    assert segm[7, 5] == 1
    assert (segm > 0).sum() == 1


def test_pixels_that_are_not_finite_are_nobodys():
    image = stars([(30, 40, 50)])
    image[44:, :] = np.nan
    assert not label(image, [(30, 40, 50)])[44:].any()


def test_no_sources_no_labels():
    assert not label(stars([(30, 40, 50)]), []).any()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 139), st.integers(0, 119), st.floats(2, 500)),
        min_size=1,
        max_size=25,
        unique_by=lambda p: p[:2],
    )
)
def test_blocks_give_what_the_whole_gives(places):
    image = stars(places)
    whole = label(image, places)
    tiled = label(image, places, block=40, margin=140)
    np.testing.assert_array_equal(whole, tiled)
    for k, (x, y, _) in enumerate(places, start=1):
        assert whole[y, x] == k
    assert set(np.unique(whole)) <= set(range(len(places) + 1))
    islands, _ = ndimage.label(image >= 1, np.ones((3, 3)))
    for k, (x, y, _) in enumerate(places, start=1):
        mine = islands[whole == k]
        assert (mine == islands[y, x]).all()


@pytest.mark.parametrize("block", [37, 64])
def test_a_large_galaxy_across_blocks_has_one_owner(block):
    places = [(70, 60, 300)]
    image = stars(places, sigma=14.0)
    np.testing.assert_array_equal(
        label(image, places, block=block, margin=128), label(image, places)
    )
