"""The tiler: every pixel once, no seams, edges mirrored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from bgrem_core.errors import UsageError
from bgrem_core.tiles import Grid, grid, inside, nearest, take

sizes = st.integers(1, 200)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    pooling = draw(st.sampled_from([1, 2, 8]))
    margin = draw(st.integers(0, 24))
    least = 2 * -(-margin // pooling) * pooling + pooling
    tile = draw(st.integers(least, least + 90))
    return grid((draw(sizes), draw(sizes)), tile=tile, margin=margin, pooling=pooling)


@given(grids())
def test_every_pixel_is_kept_exactly_once(tiles):
    kept = np.zeros(tiles.shape, int)
    for tile in tiles:
        kept[tile.keep] += 1
    assert (kept == 1).all()


@given(grids())
def test_all_tiles_read_one_size_and_start_on_the_pooling_grid(tiles):
    shapes = {tuple(s.stop - s.start for s in tile.read) for tile in tiles}
    assert shapes == {tiles.read_shape}


@given(st.integers(1, 300), st.sampled_from([2, 8, 16]), st.integers(0, 40))
def test_starts_are_multiples_of_the_pooling(n, pooling, margin):
    tiles = grid((n, n), tile=128, margin=margin % 40, pooling=pooling)
    assert all(s.start % pooling == 0 for t in tiles for s in t.read)


@given(grids(), st.integers(0, 2**32 - 1))
def test_identity_model_gives_the_image_back_bit_for_bit_in_any_order(tiles, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=tiles.shape).astype(np.float32)
    out = np.full_like(image, np.nan)
    order = rng.permutation(len(tiles))
    every = list(tiles)
    for k in order:
        out[every[k].keep] = every[k].crop(take(image, every[k].read))
    assert out.tobytes() == image.tobytes()


@given(sizes, sizes, st.integers(0, 70))
def test_reading_outside_mirrors_with_the_edge_repeated(ny, nx, by):
    image = np.arange(ny * nx).reshape(ny, nx)
    block = (slice(-by, ny + by), slice(-by, nx + by))
    np.testing.assert_array_equal(take(image, block), np.pad(image, by, "symmetric"))


@given(st.integers(20, 150), st.integers(20, 150), st.integers(30, 80))
def test_tiled_equals_whole_when_the_radius_is_within_the_margin(ny, nx, tile):
    image = np.random.default_rng(1).normal(size=(ny, nx))
    kernel = np.random.default_rng(2).normal(size=(9, 9))

    def model(block):
        return ndimage.correlate(block, kernel, mode="constant")

    margin = 4
    whole = model(np.pad(image, margin, "symmetric"))[margin:-margin, margin:-margin]
    out = np.empty_like(image)
    for t in grid(image.shape, tile=tile, margin=margin):
        out[t.keep] = t.crop(model(take(image, t.read)))
    np.testing.assert_array_equal(out, whole)


def test_a_margin_that_leaves_nothing_is_refused_with_the_size_that_would_do():
    with pytest.raises(UsageError, match=r"margin=32 leaves nothing of tile=64.*72"):
        grid((100, 100), tile=64, margin=32, pooling=8)


def test_a_block_inside_another_is_found_by_its_offset():
    outer = (slice(-5, 20), slice(10, 40))
    assert inside(outer, (slice(0, 3), slice(12, 15))) == (slice(5, 8), slice(2, 5))


@given(grids(), st.data())
def test_the_nearest_tile_holds_the_pixel_that_is_looked_at(tiles, data):
    y = data.draw(st.integers(0, tiles.shape[0] - 1))
    x = data.draw(st.integers(0, tiles.shape[1] - 1))
    all_ = list(tiles)
    rows, cols = all_[nearest(all_, (slice(y, y + 1), slice(x, x + 1)))].keep
    assert rows.start <= y < rows.stop
    assert cols.start <= x < cols.stop
    assert nearest(all_, None) == 0
