"""Blocks of a search: each source once, and as in the frame as a whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgrem_core.blockwise import (
    Part,
    blocks_of,
    detect_blocks,
    detect_part,
    holds,
    join,
    seen,
)
from bgrem_core.catalog import SourceFlag
from bgrem_core.detect import Rules, detect
from bgrem_core.matched import matched_filter

SHAPE, BLOCK, MARGIN = (120, 150), 40, 24
RULES = Rules(threshold=5, fwhm=3.0)

#: Places on the borders and corners of blocks, to the last bit, and anywhere else.
_near = st.sampled_from([-0.5, -0.4999999, -1e-9, 0.0, 0.5, 1.0, -1.0])
_border = st.builds(lambda k, d: k * BLOCK + d, st.integers(0, 3), _near)
_place = st.one_of(_border, st.floats(0, 149, allow_nan=False))
_star = st.tuples(_place, _place, st.floats(8, 500), st.integers(0, 2))


def drawn(stars, shape=SHAPE):
    """Stars, hot pixels (1) and saturated plateaus (2), without noise."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for cx, cy, peak, kind in stars:
        r2 = (x - cx) ** 2 + (y - cy) ** 2
        if kind == 1:
            image += peak * (r2 < 1)
        elif kind == 2:
            image += np.minimum(peak, 40 * peak * np.exp(-r2 / 4))
        else:
            image += peak * np.exp(-r2 / 4)
    return image.astype(np.float32)


def in_blocks(image, block=BLOCK, margin=MARGIN):
    return detect_blocks(image, threshold=5, fwhm=3.0, block=block, margin=margin)


def parts_of(image, block=BLOCK, margin=MARGIN):
    shape = image.shape
    tiles = list(blocks_of(shape, block=block, margin=margin))
    return tiles, [
        detect_part(image[seen(tile, shape)], tile, shape, RULES)[0] for tile in tiles
    ]


def same_rows(one, two):
    for name in ("x", "y", "peak", "npix", "flags", "top"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


@given(st.lists(_star, min_size=1, max_size=12))
def test_each_source_is_owned_once_and_has_the_bits_of_the_whole_frame(stars):
    image = drawn(stars)
    whole = detect(image, threshold=5, fwhm=3.0)
    tiles, parts = parts_of(image)
    owners = np.zeros(len(whole), int)
    for tile in tiles:
        owners += holds(tile.keep, whole.y, whole.x)
    assert (owners == 1).all()
    found = in_blocks(image)
    names = found.top[:, 0] * SHAPE[1] + found.top[:, 1]
    assert len(np.unique(names)) == len(found)
    if not (found.flags & SourceFlag.TRUNCATED).any() and _groups_fit(whole):
        same_rows(found, whole)
        assert np.array_equal(found.segm, whole.segm)
        assert sum(int((part.claim == 0).sum()) for part in parts) == len(whole)


def _groups_fit(whole):
    from scipy.ndimage import find_objects, label

    groups = label(whole.segm > 0, np.ones((3, 3)))[0]
    return all(
        span.stop - span.start <= MARGIN for box in find_objects(groups) for span in box
    )


@pytest.mark.parametrize("x", [39.5, np.nextafter(39.5, 0), 39.0, 40.0, 80.0])
@pytest.mark.parametrize("y", [39.5, 40.0, np.nextafter(79.5, 99)])
def test_a_source_on_a_corner_belongs_to_one_block(x, y):
    image = drawn([(x, y, 100, 0)])
    _, parts = parts_of(image)
    assert sum(int((part.claim == 0).sum()) for part in parts) == 1
    same_rows(in_blocks(image), detect(image, threshold=5, fwhm=3.0))


def test_the_centroid_decides_not_the_highest_pixel():
    image = drawn([])
    image[10:13, 38:45] = 50  # a plateau: its last pixel is its highest
    tiles, parts = parts_of(image)
    whole = detect(image, threshold=5, fwhm=3.0)
    assert whole.top[0].tolist() == [12, 44]
    assert whole.x[0] == 41
    assert holds(tiles[1].keep, whole.y, whole.x).all()
    image[10:13, 35:38] = 50
    whole = detect(image, threshold=5, fwhm=3.0)
    _, parts = parts_of(image)
    assert whole.x[0] == 39.5
    image[10:13, 34] = 50  # the centroid goes to the left, the highest pixel stays
    _, parts = parts_of(image)
    assert [part.claim.tolist() for part in parts[:2]] == [[0], [1]]
    assert in_blocks(image).top.tolist() == [[12, 44]]


def test_a_source_that_no_block_sees_whole_is_listed_once_and_flagged():
    image = drawn([(30, 100, 50, 0)])
    image[20:23, 2:148] = np.linspace(20, 60, 146)
    image[21, 2:148] += 1
    found = in_blocks(image)
    cut = (found.flags & SourceFlag.TRUNCATED) != 0
    assert cut.tolist() == [True, False]
    assert found.top[0].tolist() == [21, 147]
    # Within a margin that sees all of it, nothing is cut.
    wide = in_blocks(image, margin=150)
    same_rows(wide, detect(image, threshold=5, fwhm=3.0))


def test_where_no_block_has_the_centroid_the_highest_pixel_decides():
    rows = detect(drawn([(20, 20, 50, 0)]), threshold=5, fwhm=3.0).without_pixels()
    one = np.ones(1, int)
    parts = [Part(rows=rows, claim=claim * one, pixels=rows.npix) for claim in (1, 2)]
    found, tables = join(parts, SHAPE)
    assert len(found) == 1
    assert [t.tolist() for t in tables] == [[0, 1], [0, 1]]
    assert found.flags[0] & SourceFlag.TRUNCATED  # counted twice: they do not agree
    nobody, tables = join(parts[1:], SHAPE)
    assert len(nobody) == 0
    assert tables[0].tolist() == [0, 0]


def test_the_size_of_the_blocks_changes_no_row_of_a_real_field():
    draw = np.random.default_rng(8)
    stars = [(*draw.uniform(0, 150, 2), draw.uniform(8, 90), 0) for _ in range(60)]
    image = drawn(stars) + draw.normal(0, 1, SHAPE).astype(np.float32)
    image[50:54, 70:76] = np.nan
    whole = detect(image, threshold=5, fwhm=3.0)
    assert len(whole) > 30
    for block in (31, 40, 64, 150):
        found = in_blocks(image, block=block, margin=60)
        same_rows(found, whole)
        assert np.array_equal(found.segm, whole.segm)


@pytest.mark.parametrize("shape", [(90, 70), (12, 70), (3, 5)])
def test_a_masked_pixel_changes_no_bit_of_the_filter_far_from_it(shape):
    image = np.random.default_rng(3).normal(size=(90, 70)).astype(np.float32)
    image = image[: shape[0], : shape[1]]
    clean = matched_filter(image, fwhm=3.7)
    # The same steps with a mask that is there but touches nothing seen here.
    wide = np.pad(image, ((0, 0), (0, 40)))
    wide[:, shape[1] :] = np.nan
    holed = matched_filter(wide, fwhm=3.7)
    assert np.array_equal(holed[:, : max(shape[1] - 8, 0)], clean[:, :-8])
    assert np.isfinite(clean).all()
