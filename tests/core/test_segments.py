import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from bgrem_core.blockwise import blocks_of
from bgrem_core.catalog import SourceFlag
from bgrem_core.segments import (
    facts_in,
    gathered,
    reaching,
    segment_facts,
    segments_of,
)


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


def test_a_source_larger_than_the_margin_is_flagged():
    grid = blocks_of((300, 300), block=100, margin=32)
    segm, light = np.zeros((2, 300, 300), np.int32)
    segm[90:120, 40:60] = 1  # over a border of blocks, within the margin
    segm[10:12, 70:132] = 2  # to the end of the margin
    segm[150:155, 250:300] = 3  # to the edge of the frame
    segm[200:210, 150:200] = 4  # cut at the end of a block: its light goes on
    light[segm > 0] = 9
    light[200:210, 200:230] = 9
    facts = gathered(
        [facts_in(segm, light, tile.keep, threshold=5) for tile in grid], 4
    )
    x, y = np.array([50.0, 80.0, 270.0, 160.0]), np.array([99.0, 11.0, 152.0, 204.0])
    assert reaching(facts, x, y, grid).tolist() == [False, True, False, False]
    cut = (facts.flags & SourceFlag.TRUNCATED) != 0
    assert cut.tolist() == [False, False, False, True]
    assert facts.npix.tolist() == [600, 124, 250, 500]


def test_facts_of_pieces_are_those_of_the_whole():
    draw = np.random.default_rng(2)
    segm = (draw.integers(0, 9, (90, 70)) // 3 * draw.integers(0, 9, (90, 70))).astype(
        np.int32
    )
    light = np.where(draw.random((90, 70)) < 0.05, np.nan, 1).astype(np.float32)
    whole = segment_facts(segm, light, 16)
    tiles = blocks_of(segm.shape, block=32, margin=0)
    parts = gathered([facts_in(segm, light, t.keep) for t in tiles], 16)
    assert np.array_equal(parts.flags, whole[0])
    assert np.array_equal(parts.npix, np.bincount(segm.ravel(), minlength=17)[1:])
    assert np.array_equal(parts.npix, whole[1])
