"""Perona-Malik diffusion against its written-out sum, and a published figure."""

import numpy as np
import pytest
import star_pictures
from hypothesis import given
from hypothesis import strategies as st

from bgrem_core.errors import ImageError, UsageError
from bgrem_core.stars.perona_malik import iter_perona_malik, perona_malik


def slow_perona_malik(image, iterations, k, gamma, share):
    """Each pixel gains from each neighbour its share of the difference."""
    ny, nx = image.shape
    for _ in range(iterations):
        new = image.copy()
        for y in range(ny):
            for x in range(nx):
                for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    if 0 <= y + dy < ny and 0 <= x + dx < nx:
                        d = image[y + dy, x + dx] - image[y, x]
                        new[y, x] += gamma * share(d / k) * d
        image = new
    return image


SHARES = {
    "quadratic": lambda r: 1 / (1 + r**2),
    "exponential": lambda r: np.exp(-(r**2)),
}


@pytest.mark.parametrize("conduction", list(SHARES))
@pytest.mark.parametrize("shape", [(9, 12), (1, 6), (5, 1), (1, 1), (2, 2)])
def test_each_step_is_the_sum_over_four_neighbours(conduction, shape):
    image = np.random.default_rng(1).normal(20, 40, shape)
    assert image.size == 1 or image.min() < 0
    got = perona_malik(image, iterations=7, k=11, gamma=0.2, conduction=conduction)
    want = slow_perona_malik(image, 7, 11, 0.2, SHARES[conduction])
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-9)


@given(st.integers(0, 2**32), st.sampled_from(sorted(SHARES)), st.floats(10, 1e4))
def test_no_light_is_lost_and_no_pixel_gets_brighter_than_the_brightest(
    seed, conduction, k
):
    image = np.random.default_rng(seed).normal(100, 60, (13, 8))
    out = perona_malik(image, iterations=20, k=k, conduction=conduction)
    assert out.sum() == pytest.approx(image.sum(), rel=1e-12)
    assert image.min() - 1e-9 <= out.min() <= out.max() <= image.max() + 1e-9
    assert out.std() < image.std()


def test_a_small_k_keeps_an_edge_that_a_large_one_smears():
    edge = np.zeros((10, 20))
    edge[:, 10:] = 100
    kept, smeared = (perona_malik(edge, k=k)[5] for k in (2, 1000))
    assert kept[10] - kept[9] > 95
    assert smeared[10] - smeared[9] < 15


def test_steps_are_arrays_of_their_own_and_the_input_stays():
    image = np.random.default_rng(2).integers(0, 255, (8, 9)).astype(">i2")
    before = image.copy()
    steps = list(iter_perona_malik(image, iterations=3))
    again = [perona_malik(image, iterations=n) for n in (1, 2, 3)]
    np.testing.assert_array_equal(steps, again)
    np.testing.assert_array_equal(image, before)


@star_pictures.needs_pictures
def test_the_row_of_perona_malik_in_the_table_of_cohen_and_lu_is_reproduced():
    truth, noisy = star_pictures.picture("2a"), star_pictures.picture("2d")
    assert star_pictures.psnr(truth, noisy) == pytest.approx(19.292, abs=0.001)
    out = perona_malik(noisy, iterations=50, k=8)
    assert star_pictures.psnr(truth, out) == pytest.approx(22.236, abs=0.01)
    assert star_pictures.ssim(truth, out) == pytest.approx(0.728, abs=0.002)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"iterations": 0}, "iterations=0 is out of range"),
        ({"iterations": 2.5}, "iterations=2.5"),
        ({"gamma": 0.26}, "gamma=0.26 is out of range"),
        ({"gamma": float("nan")}, "gamma=nan"),
        ({"k": 0.0}, "k=0.0 is out of range"),
        ({"k": float("inf")}, "k=inf"),
        ({"conduction": "linear"}, "conduction='linear'.*quadratic or exponential"),
    ],
)
def test_settings_out_of_range_are_named(settings, words):
    with pytest.raises(UsageError, match=words):
        perona_malik(np.zeros((4, 4)), **settings)


def test_what_cannot_be_diffused_is_refused():
    with pytest.raises(ImageError, match=r"shape \(3, 4, 4\).*one plane"):
        perona_malik(np.zeros((3, 4, 4)))
    with pytest.raises(ImageError, match="2 of 16 pixels are not finite"):
        perona_malik([[np.nan, np.inf, 0, 0], *[[0] * 4] * 3])
    with pytest.raises(ImageError, match="cannot be diffused"):
        perona_malik(np.zeros((0, 4)))
