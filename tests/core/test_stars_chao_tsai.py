"""The diffusion of Chao & Tsai against its written-out sum, and a published figure."""

import numpy as np
import pytest
import star_pictures

from bgrem_core.errors import UsageError
from bgrem_core.stars.chao_tsai import chao_tsai, iter_chao_tsai


def slow_variance(image, y, x):
    """Variance of nine pixels, edges mirrored."""
    ny, nx = image.shape
    rows = [min(max(j, 0), ny - 1) for j in (y - 1, y, y + 1)]
    cols = [min(max(i, 0), nx - 1) for i in (x - 1, x, x + 1)]
    return np.var([image[j, i] for j in rows for i in cols])


def slow_chao_tsai(image, iterations, k, gamma):
    ny, nx = image.shape
    for _ in range(iterations):
        new = image.copy()
        for y in range(ny):
            for x in range(nx):
                width = k * (slow_variance(image, y, x) or 1)
                # Of the sides to the next row and to the next column.
                for j, i in ((y + 1, x), (y, x + 1)):
                    if j < ny and i < nx:
                        d = image[j, i] - image[y, x]
                        flux = gamma * d / (1 + (d / width) ** 2)
                        new[y, x] += flux
                        new[j, i] -= flux
        image = new
    return image


@pytest.mark.parametrize("level", [0, 1e5])
def test_each_step_is_the_sum_over_the_sides_of_each_pixel(level):
    image = np.random.default_rng(3).normal(20, 40, (11, 9))
    image[2:7, 3:8] = 12.0  # flat: no variance and no difference
    got = chao_tsai(image + level, iterations=6, k=0.03, gamma=0.2)
    want = slow_chao_tsai(image, 6, 0.03, 0.2)
    # A level changes nothing but the last digits.
    np.testing.assert_allclose(got - level, want, rtol=0, atol=1e-9 + 1e-12 * level)


def test_strong_contrasts_flow_and_weak_ones_stay():
    edge = np.zeros((10, 20))
    edge[:, 10:] = 1
    strong, weak = (chao_tsai(height * edge)[5] / height for height in (200, 4))
    assert strong[10] - strong[9] < 0.3
    assert weak[10] - weak[9] > 0.95


def test_no_light_is_lost():
    image = np.random.default_rng(4).normal(100, 60, (20, 17))
    for step in iter_chao_tsai(image, iterations=5):
        assert step.sum() == pytest.approx(image.sum(), rel=1e-12)
        assert np.abs(step - image).max() > 1


def test_a_flat_image_stays_as_it_is():
    np.testing.assert_array_equal(chao_tsai(np.full((6, 7), 46.0)), 46.0)


@star_pictures.needs_pictures
def test_the_row_of_chao_and_tsai_in_the_table_of_cohen_and_lu_is_reproduced():
    truth, noisy = star_pictures.picture("2a"), star_pictures.picture("2d")
    out = chao_tsai(noisy, iterations=10, k=0.05)
    assert star_pictures.psnr(truth, out) == pytest.approx(22.32, abs=0.01)
    assert star_pictures.ssim(truth, out) == pytest.approx(0.476, abs=0.002)


def test_settings_out_of_range_are_named():
    with pytest.raises(UsageError, match="k=-1 is out of range"):
        chao_tsai(np.zeros((4, 4)), k=-1)
