"""Pyramids: an image and its halves, filled block by block."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgrem_core.planes import LazyPlane
from bgrem_core.pyramid import Pyramid


def halves(array, least):
    """Return all levels, pixel by pixel: slow and obvious."""
    levels = [array]
    while max(levels[-1].shape) > least:
        fine = levels[-1]
        ny, nx = (-(-n // 2) for n in fine.shape)
        coarse = np.empty((ny, nx), array.dtype)
        for j, i in np.ndindex(ny, nx):
            cell = fine[2 * j : 2 * j + 2, 2 * i : 2 * i + 2].astype(float)
            good = cell[np.isfinite(cell)]
            if array.dtype.kind == "f":
                coarse[j, i] = good.mean() if good.size else np.nan
            else:
                coarse[j, i] = cell.max()
        levels.append(coarse)
    return levels


def image(ny, nx, seed=0, holes=0.2):
    rng = np.random.default_rng(seed)
    array = rng.normal(100, 30, (ny, nx)).astype(np.float32)
    array[rng.random((ny, nx)) < holes] = np.nan
    array[rng.random((ny, nx)) < 0.02] = np.inf
    return array


@pytest.mark.parametrize("shape", [(37, 22), (64, 64), (1, 33), (33, 1), (9, 17)])
def test_levels_are_means_of_the_pixels_that_have_a_value(shape):
    array = image(*shape)
    levels = Pyramid.over(array, single=8).levels
    expected = halves(array, least=2)
    assert levels[0] is array
    assert len(levels) == len(expected)
    for level, truth in zip(levels, expected, strict=True):
        np.testing.assert_allclose(level, truth, rtol=3e-7)


@given(st.data())
def test_any_tiling_in_any_order_gives_what_binning_at_once_gives(data):
    ny, nx = (data.draw(st.integers(1, 41)) for _ in "yx")
    array = image(ny, nx, seed=data.draw(st.integers(0, 99)))
    cuts = [
        sorted(data.draw(st.sets(st.integers(1, n), max_size=5)) | {0, n})
        for n in (ny, nx)
    ]
    blocks = [
        (slice(r, r_end), slice(c, c_end))
        for r, r_end in zip(cuts[0], cuts[0][1:], strict=False)
        for c, c_end in zip(cuts[1], cuts[1][1:], strict=False)
    ]
    pyramid = Pyramid((ny, nx), single=8)
    for block in data.draw(st.permutations(blocks)):
        pyramid.put(block, array[block])
    for level, whole in zip(
        pyramid.levels, Pyramid.over(array, single=8).levels, strict=True
    ):
        assert level.tobytes() == whole.tobytes()


def test_what_was_not_put_is_nan_on_every_level():
    pyramid = Pyramid((20, 30), single=8)
    assert all(np.isnan(level).all() for level in pyramid.levels)
    pyramid.put((slice(0, 5), slice(0, 7)), np.ones((5, 7), np.float32))
    assert [int(np.isfinite(level).sum()) for level in pyramid.levels] == [
        35, 12, 4, 1, 1,
    ]  # fmt: skip
    assert np.nanmax(pyramid.levels[-1]) == 1


def test_a_later_block_replaces_an_earlier_one():
    pyramid = Pyramid((16, 16), single=8)
    whole = (slice(0, 16), slice(0, 16))
    pyramid.put(whole, np.zeros((16, 16)))
    pyramid.put((slice(4, 8), slice(8, 12)), np.full((4, 4), 8.0))
    assert pyramid.levels[2][1, 2] == 8
    assert pyramid.levels[2].sum() == 8


def test_images_below_4096_pixels_have_one_level():
    assert len(Pyramid((4095, 3)).levels) == 1
    assert [level.shape for level in Pyramid((3, 4096)).levels] == [
        (3, 4096), (2, 2048), (1, 1024),
    ]  # fmt: skip
    array = np.zeros((5, 6), np.float32)
    assert Pyramid.over(array).data is array


def test_a_lazy_plane_is_filled_in_bands():
    asked = []

    def evaluate(rows, cols):
        asked.append((rows.stop - rows.start, cols.stop - cols.start))
        return np.add.outer(np.arange(rows.start, rows.stop), np.zeros(cols.stop))

    shape = (5000, 40)
    pyramid = Pyramid(shape)
    pyramid.fill(LazyPlane(shape, evaluate))
    assert max(rows for rows, _ in asked) <= 256
    assert {cols for _, cols in asked} == {40}
    np.testing.assert_array_equal(pyramid.levels[0][:, 7], np.arange(5000))
    np.testing.assert_array_equal(pyramid.levels[2][:, 3], np.arange(1250) * 4 + 1.5)


def test_masks_and_labels_are_shown_by_their_maximum():
    labels = np.zeros((19, 23), np.int32)
    labels[18, 22], labels[3, 4] = 7, 300_000_001
    pyramid = Pyramid.over(labels, single=8)
    for level, truth in zip(pyramid.levels, halves(labels, least=2), strict=True):
        np.testing.assert_array_equal(level, truth)
        assert level.dtype == np.int32
    assert Pyramid((9, 9), np.uint8, single=8).levels[1].max() == 0


@pytest.mark.parametrize("dtype", [">f4", ">f8", "<f8", "bool", "uint8"])
def test_arrays_of_other_types_are_binned(dtype):
    array = np.arange(12 * 10).reshape(12, 10).astype(dtype)
    levels = Pyramid.over(array, single=8).levels
    assert levels[1].dtype.isnative
    np.testing.assert_array_equal(levels[1], halves(array, least=2)[1])


def test_binning_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Pyramid.over(np.full((20, 20), np.nan, np.float32), single=8)
        Pyramid.over(np.full((20, 20), -3e38, np.float32), single=8)
        both = np.array([[np.inf, -np.inf]] * 20, np.float32)
        assert np.isnan(Pyramid.over(both, single=8).levels[1]).all()


def test_an_empty_block_changes_nothing():
    pyramid = Pyramid((16, 16), single=8)
    pyramid.put((slice(4, 4), slice(0, 16)), np.ones((0, 16)))
    assert np.isnan(pyramid.levels[0]).all()


def test_levels_that_exist_can_be_written_to():
    levels = Pyramid((16, 16), single=8).levels
    Pyramid.of(levels).put((slice(0, 16), slice(0, 16)), np.full((16, 16), 3.0))
    assert all((level == 3).all() for level in levels)
