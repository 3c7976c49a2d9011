"""Cells of a frame: masks that grow, clipped moments, medians, against plain numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from bgrem_core import noise
from bgrem_core.cells import (
    Grid,
    Reader,
    cell_counts,
    clipped_moments,
    grow,
    grow_along,
)
from bgrem_core.noise import first_look
from bgrem_core.progress import drain

SIDES = st.tuples(st.integers(1, 30), st.integers(1, 30))


@settings(max_examples=60, deadline=None)
@given(SIDES, st.integers(0, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_a_mask_grows_to_a_square_round_each_pixel(shape, radius, seed, share):
    flag = np.random.default_rng(seed).random(shape) < share
    size = 2 * radius + 1
    wanted = ndimage.maximum_filter(flag, size, mode="constant", cval=False)
    assert np.array_equal(grow(flag, radius), wanted)
    for axis in (0, 1):
        along = ndimage.maximum_filter1d(
            flag.astype(np.uint8), size, axis=axis, mode="constant"
        )
        assert np.array_equal(grow_along(flag, radius, axis), along > 0)


def plain_moments(pixels, clip, rounds):
    """Clip one cell, in float64, for as many rounds."""
    kept, share = pixels, stats.truncnorm.var(-clip, clip)
    for k in range(rounds):
        mean = kept.mean()
        spread = (
            1.2533 * np.abs(kept - mean).mean()
            if k == 0
            else np.sqrt(np.mean((kept - mean) ** 2) / share)
        )
        if k == rounds - 1:
            break
        kept = pixels[np.abs(pixels - mean) <= clip * spread]
    return mean, spread**2, kept.size


@pytest.mark.parametrize("rounds", [1, 2, 6])
def test_clipped_moments_are_those_of_each_cell_alone(rounds):
    rng = np.random.default_rng(5)
    values = (3 + 2 * rng.standard_t(4, (40, 150))).astype(np.float32)
    good = rng.random(values.shape) < 0.9
    good[:, 50:100] = False
    cols = np.array([0, 50, 100, 150])
    mean, variance, count = clipped_moments(values, good, cols, rounds=rounds)
    assert np.isnan(mean[1])
    assert count[1] == 0
    for k in (0, 2):
        part = slice(cols[k], cols[k + 1])
        pixels = values[:, part][good[:, part]].astype(np.float64)
        wanted = plain_moments(pixels, 3.5, rounds)
        assert mean[k] == pytest.approx(wanted[0], rel=1e-4)
        assert variance[k] == pytest.approx(wanted[1], rel=1e-3)
        assert count[k] == pytest.approx(wanted[2], abs=1)


@pytest.mark.parametrize("step", [0.0, 1.0])
def test_the_level_of_a_cell_is_its_median(step):
    rng = np.random.default_rng(6)
    data = rng.normal(100, 3, (61, 97)).astype(np.float32)
    if step:
        data = np.round(data)
    flags = (rng.random(data.shape) < 0.1).astype(np.uint8)
    flags[:20, :24] = 1
    grid = Grid(shape=data.shape, count=(3, 4))
    level, _ = drain(first_look(Reader(data=data, flags=flags, step=step), grid))
    for j in range(3):
        for i in range(4):
            rows = slice(grid.rows[j], grid.rows[j + 1])
            cols = slice(grid.cols[i], grid.cols[i + 1])
            thin = 2 if rows.stop - rows.start >= 24 else 1
            cell = data[rows, cols][::thin, ::thin]
            pixels = cell[flags[rows, cols][::thin, ::thin] == 0]
            if not pixels.size:
                assert np.isnan(level[j, i])
            else:
                # Of whole numbers the median is placed inside its step.
                assert level[j, i] == pytest.approx(
                    np.median(pixels), abs=max(step / 2, 1e-4)
                )


@pytest.mark.parametrize("rows", [255, 256, 700])
def test_tall_cells_are_counted_whole(rows):
    counts = cell_counts(np.ones((rows, 5), bool), np.array([0, 2, 5]))
    assert counts.tolist() == [2 * rows, 3 * rows]


@pytest.mark.parametrize("fwhm", [1.5, 4.0, 7.0, 14.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_row_of_cells_says_the_same_with_the_margin_that_is_just_enough(
    fwhm, seed, monkeypatch
):
    """Rows that correlations are measured on have the widest margin, others less."""
    rng = np.random.default_rng(seed)
    data = rng.normal(0, 1, (320, 200)).astype(np.float32)
    stars = rng.random(data.shape) < 1 / 300
    data += ndimage.gaussian_filter(stars * 500.0, fwhm / 2.355).astype(np.float32)
    flags = (rng.random(data.shape) < 0.01).astype(np.uint8)
    reader = Reader(data=data, flags=flags)
    grid = Grid(shape=data.shape, count=(10, 6))
    looked = drain(first_look(reader, grid))

    def measured(every):
        monkeypatch.setattr(noise, "_SAMPLE", data.size / every)
        return drain(noise.measure_noise(reader, grid, *looked, fwhm=fwhm))

    wide, narrow = measured(1), measured(10)
    assert wide.masked == narrow.masked > 0.01
    np.testing.assert_array_equal(wide.level, narrow.level)
    # One number for the frame, of the correlations, may differ.
    ratio = wide.sigma / narrow.sigma
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-12)
