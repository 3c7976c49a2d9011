"""Tiles: what travels to the browser is what is there, at every level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgrem_core.planes import LazyPlane
from bgrem_notebook.tiles import SIDE, Tiles, count_levels, levels_of, padded, sampled


def image(ny, nx, seed=0):
    return np.random.default_rng(seed).normal(100, 30, (ny, nx)).astype(np.float32)


def joined(tiles, name, level, shape):
    """Put the tiles of a level together, whatever their sizes."""
    rev = tiles.revisions[name]
    ny, nx = shape
    rows = []
    for i in range(-(-ny // SIDE)):
        row = [tiles.tile(name, rev, level, i, j) for j in range(-(-nx // SIDE))]
        rows.append(np.concatenate(row, axis=1))
    return np.concatenate(rows)


@pytest.mark.parametrize("shape", [(40, 60), (256, 256), (700, 523), (1030, 77)])
def test_tiles_of_a_level_make_up_the_means_of_the_image(shape):
    data, tiles = image(*shape), Tiles()
    tiles.put("image", levels_of(data))
    for level in range(count_levels(shape)):
        k = 2**level
        size = tuple(-(-n // k) for n in shape)
        seen = joined(tiles, "image", level, size)
        assert seen.shape == size
        assert seen.dtype == np.dtype("<f4")
        whole = tuple(n // k for n in shape)
        cells = data[: whole[0] * k, : whole[1] * k].astype(float)
        cells = cells.reshape(whole[0], k, whole[1], k).mean(axis=(1, 3))
        np.testing.assert_allclose(seen[: whole[0], : whole[1]], cells, rtol=2e-6)


def test_the_coarsest_level_fits_one_tile_whatever_the_size():
    for shape in ((10560, 10560), (3000, 100), (512, 512), (511, 511)):
        coarsest = sampled(np.broadcast_to(np.float32(0), shape)).levels[-1].shape
        assert max(coarsest) <= SIDE or max(shape) < 512


def test_a_first_look_has_the_levels_of_the_real_one_and_reads_single_pixels():
    data = image(1300, 900)
    first, real = sampled(data), levels_of(data)
    assert [x.shape for x in first.levels] == [x.shape for x in real.levels]
    np.testing.assert_array_equal(first.levels[2], data[::4, ::4])
    assert np.shares_memory(first.levels[2], data)


def test_a_stale_tile_and_one_that_does_not_exist_are_not_given():
    tiles = Tiles()
    first = tiles.put("image", levels_of(image(300, 300)))
    assert tiles.tile("image", first, 0, 1, 1).shape == (44, 44)
    for wrong in ((0, 2, 0), (0, 0, -1), (1, 0, 0), (-1, 0, 0)):
        assert tiles.tile("image", first, *wrong) is None
    second = tiles.touch("image")
    assert second != first
    assert tiles.tile("image", first, 0, 0, 0) is None
    assert tiles.tile("image", second, 0, 0, 0) is not None
    tiles.drop("image", "never there")
    assert tiles.tile("image", second, 0, 0, 0) is None
    assert tiles.revisions == {}


def test_a_plane_that_comes_again_has_a_revision_of_its_own():
    tiles = Tiles()
    seen = set()
    for seed in range(3):
        seen.add(tiles.put("noise", levels_of(image(20, 20, seed))))
        tiles.drop("noise")
    assert len(seen) == 3


@given(st.data())
def test_a_part_lies_where_it_was_cut_and_nothing_lies_elsewhere(data):
    ny, nx = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 30))

    def cut(n):
        low = data.draw(st.integers(0, n - 1))
        return slice(low, data.draw(st.integers(low + 1, n)))

    block, wanted = (cut(ny), cut(nx)), (cut(ny), cut(nx))
    whole = image(ny, nx)
    expected = np.full((ny, nx), np.nan, np.float32)
    expected[block] = whole[block]
    part = padded(whole[block], block, (ny, nx))
    np.testing.assert_array_equal(part[wanted], expected[wanted])


def test_a_plane_that_is_evaluated_is_not_kept_whole():
    asked = []

    def evaluate(rows, cols):
        asked.append((rows.stop - rows.start) * (cols.stop - cols.start))
        return np.ones((rows.stop - rows.start, cols.stop - cols.start), np.float32)

    tiles = Tiles()
    plane = LazyPlane((600, 600), evaluate)
    rev = tiles.put("noise", levels_of(plane))
    asked.clear()
    assert (tiles.tile("noise", rev, 0, 1, 1) == 1).all()
    assert asked == [SIDE * SIDE]
    asked.clear()
    assert (tiles.tile("noise", rev, 1, 0, 0) == 1).all()
    assert asked == []
