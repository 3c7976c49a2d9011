"""What is masked as not covered, and above all what is not."""

import numpy as np
import pytest
from scipy import ndimage

from bgrem_core.image import MaskBit
from bgrem_core.io import coverage
from bgrem_core.io.coverage import mark_holes

HOLE, CLIPPED = MaskBit.NO_COVERAGE, MaskBit.SATURATED


def mark(data):
    flags = np.zeros(data.shape, np.uint8)
    mark_holes(data.astype(np.float32), flags)
    return flags


def slow(data):
    """Label every run of equal values, one value at a time."""
    flags = np.zeros(data.shape, np.uint8)
    values, counts = np.unique(data, return_counts=True)
    for value in values[counts >= 8]:
        label, count = ndimage.label(data == value)
        for k in range(1, count + 1):
            run = label == k
            y, x = np.nonzero(run)
            at_edge = min(y.min(), x.min()) == 0
            at_edge |= y.max() == data.shape[0] - 1 or x.max() == data.shape[1] - 1
            if run.sum() > 100 or (at_edge and run.sum() >= 8):
                flags[run] = HOLE
    return flags


@pytest.fixture
def sky():
    return np.random.default_rng(5).normal(500, 9, (300, 280)).astype(np.float32)


@pytest.mark.parametrize("value", [0, -1, 500, 123.456, -9999])
def test_a_run_of_any_value_is_found_as_the_slow_way_finds_it(sky, value):
    sky[:, :9] = value
    sky[290:, 40:] = value
    sky[100:112, 100:120] = value
    sky[200, 30:33] = value  # too small
    sky[50:250, 200] = value  # one column wide
    sky[0, 100:104] = value  # too small, at the edge
    rows, cols = np.indices(sky.shape)
    sky[(rows - 150) ** 2 + (cols - 60) ** 2 < 300] = value
    np.testing.assert_array_equal(mark(sky), slow(sky))


def test_slanted_edges_of_a_mosaic_are_found(sky):
    rows, cols = np.indices(sky.shape)
    hole = rows + 2 * cols < 200
    sky[hole] = 0
    np.testing.assert_array_equal(mark(sky) != 0, hole)


def test_noise_alone_is_never_masked(sky):
    assert not mark(sky).any()


@pytest.mark.parametrize("sigma", [0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, 5, 30])
@pytest.mark.parametrize("level", [0, 100, 40000])
def test_whole_numbers_are_not_masked(sigma, level):
    rng = np.random.default_rng(8)
    data = np.round(rng.normal(level, sigma, (600, 500)))
    assert not mark(data).any()


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1, 0.5, 2])
def test_counts_of_few_photons_are_not_masked(rate):
    rng = np.random.default_rng(8)
    gradient = np.linspace(0.1, 3, 500)
    assert not mark(rng.poisson(rate * gradient, (600, 500)).astype(float)).any()


@pytest.mark.parametrize("step", [0.3, 3, 20])
def test_quantised_floats_are_not_masked(sky, step):
    assert not mark(np.round(sky / step) * step).any()


def test_quantised_rows_of_a_lossy_file_are_not_masked(sky):
    offset = np.random.default_rng(3).uniform(0, 5, (300, 1))
    assert not mark(np.round((sky - offset) / 5) * 5 + offset).any()


@pytest.mark.parametrize("value", [0.0, 100.0, -3.5])
def test_a_constant_frame_is_not_masked(value):
    assert not mark(np.full((64, 64), value)).any()


def test_a_frame_without_noise_is_not_masked():
    rows, cols = np.indices((200, 200))
    star = 5000 * np.exp(-((rows - 90) ** 2 + (cols - 110) ** 2) / 18)
    assert not mark(100 + star).any()
    assert not mark(star).any()
    assert not mark(np.round(100 + star)).any()


def test_a_smooth_picture_in_whole_numbers_is_not_masked():
    rng = np.random.default_rng(2)
    nebula = ndimage.gaussian_filter(rng.normal(0, 1, (400, 400)), 25)
    picture = np.round(128 + 30 * nebula / nebula.std())
    assert not mark(picture).any()


@pytest.mark.parametrize("fill", [0, 8138])
def test_an_empty_border_of_an_integer_frame_is_masked(fill):
    rng = np.random.default_rng(8)
    data = np.round(rng.normal(8140, 40, (300, 300)))
    data[:4] = fill
    flags = mark(data)
    assert np.all(flags[:4] == HOLE)
    assert np.count_nonzero(flags[5:]) == 0


def test_a_clipped_star_is_saturated_not_uncovered():
    rng = np.random.default_rng(8)
    rows, cols = np.indices((300, 300))
    data = np.round(rng.normal(1000, 30, (300, 300)))
    radius = np.hypot(rows - 150, cols - 150)
    data += np.round(3e5 * np.exp(-(radius**2) / 200))
    data = np.minimum(data, 65535)
    flags = mark(data)
    core = data == 65535
    assert np.all(flags[core] == CLIPPED)
    assert not flags[~core].any()


def test_not_finite_pixels_are_left_to_others(sky):
    sky[:, :50] = np.nan
    assert not mark(sky).any()


def test_frames_of_a_band_and_a_bit_agree_with_the_slow_way():
    rng = np.random.default_rng(1)
    data = rng.normal(10, 1, (530, 40)).astype(np.float32)
    data[250:262, 10:30] = 3  # across the first band
    data[500:, :20] = 7
    np.testing.assert_array_equal(mark(data), slow(data))


def test_a_frame_smaller_than_a_cell_is_taken():
    data = np.random.default_rng(1).normal(10, 1, (16, 16))
    data[:3] = 0
    assert np.count_nonzero(mark(data)) == 48


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_quantiles_of_counted_values_are_those_of_the_values(count):
    values = np.random.default_rng(count).integers(0, 20, count) / 20
    kinds, many = np.unique(values, return_counts=True)
    for share in (0.2, 0.5):
        found = coverage._quantile(kinds, many, share)
        assert found == pytest.approx(np.quantile(values, share), abs=1e-12)
