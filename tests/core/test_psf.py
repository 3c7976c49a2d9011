"""PSF of a frame from its stars: FWHM within 3 %."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from scipy import signal

from bgrem_core.psf import measure_fwhm

DATA = Path(__file__).parents[3] / "shared" / "data" / "optical"


def profile(fwhm, beta, oversample=1, q=1.0, angle=0.0):
    """Moffat (or Gaussian, beta None) with axis ratio q, major axis at `angle`."""
    half = int(5 * fwhm * oversample)
    y, x = np.mgrid[-half : half + 1, -half : half + 1] / oversample
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    r2 = along**2 * q + across**2 / q
    if beta is None:
        kernel = np.exp(-r2 * 4 * np.log(2) / fwhm**2)
    else:
        kernel = (1 + r2 * 4 * (2 ** (1 / beta) - 1) / fwhm**2) ** -beta
    return kernel / kernel.sum()


@cache
def frame(density, fwhm, beta=3.0, n=700, seed=3, **shape):
    """Stars of steep counts, `density` per Mpix above S/N 5, and unit noise."""
    rng = np.random.default_rng(seed)
    count = max(4, rng.poisson(density * n * n / 1e6 * 0.1**-0.9))
    snr = np.minimum(0.5 * rng.random(count) ** (-1 / 0.9), 2000)
    flux = snr / np.sqrt((profile(fwhm, beta) ** 2).sum())
    fine = np.zeros((3 * n, 3 * n))
    np.add.at(fine, tuple(rng.integers(0, 3 * n, (2, count))), flux)
    kernel = 9 * profile(fwhm, beta, 3, **shape)
    drawn = signal.oaconvolve(fine, kernel, mode="same")[1::3, 1::3]
    return (drawn + rng.standard_normal((n, n)) + 100).astype(np.float32)


def measured(data, **options):
    return measure_fwhm(data, np.zeros(data.shape, bool), 1.0, **options)


@pytest.mark.parametrize("fwhm", [1.5, 2.5, 4.0, 6.5, 9.0])
@pytest.mark.parametrize(("density", "beta"), [(300, 3.0), (5000, 3.0), (800, None)])
def test_fwhm_is_within_three_percent(fwhm, density, beta):
    psf = measured(frame(density, fwhm, beta))
    assert psf.fwhm == pytest.approx(fwhm, rel=0.03)
    assert psf.ellipticity < 0.06


def test_shape_and_direction_are_measured():
    psf = measured(frame(1500, 4.0, 3.0, q=0.8, angle=np.radians(30)))
    assert psf.fwhm == pytest.approx(4.0, rel=0.03)
    assert psf.ellipticity == pytest.approx(0.2, abs=0.03)
    assert psf.theta == pytest.approx(30, abs=4)
    assert psf.beta == pytest.approx(3.0, rel=0.15)


def test_the_stamp_is_the_psf():
    psf = measured(frame(1500, 4.0))
    side = psf.stamp.shape[0]
    assert psf.stamp.shape == (side, side)
    assert side % 2 == 1
    assert psf.stamp.sum() == pytest.approx(1)
    assert np.unravel_index(psf.stamp.argmax(), psf.stamp.shape) == (side // 2,) * 2
    whole = profile(4.0, 3.0)
    cut = (whole.shape[0] - side) // 2
    truth = whole[cut:-cut, cut:-cut]
    assert np.abs(psf.stamp - truth / truth.sum()).sum() < 0.12


def test_hot_pixels_and_cosmic_rays_are_no_stars():
    data = frame(800, 3.0).copy()
    rng = np.random.default_rng(0)
    y, x = rng.integers(5, 690, (2, 300))
    data[y[:200], x[:200]] += rng.uniform(10, 500, 200)
    for k in range(200, 300):
        length = rng.integers(2, 9)
        data[y[k], x[k] : x[k] + length] += rng.uniform(20, 300)
    assert measured(data).fwhm == pytest.approx(3.0, rel=0.03)


def test_galaxies_are_no_stars():
    rng = np.random.default_rng(5)
    data = frame(400, 3.5).copy()
    yy, xx = np.mgrid[-25:26, -25:26]
    for y, x in rng.integers(30, 670, (60, 2)):
        r = np.hypot(xx, yy / rng.uniform(0.4, 1))
        data[y - 25 : y + 26, x - 25 : x + 26] += rng.uniform(5, 60) * np.exp(
            -r / rng.uniform(2.5, 6)
        )
    assert measured(data).fwhm == pytest.approx(3.5, rel=0.05)


def test_saturated_stars_are_left_out():
    data = np.minimum(frame(1500, 4.0), 300)
    assert measured(data).fwhm == pytest.approx(4.0, rel=0.03)
    assert measured(data, saturation=299.0).fwhm == pytest.approx(4.0, rel=0.03)


def test_unit_and_level_do_not_matter():
    data = frame(800, 4.0)
    plain = measured(data)
    other = measure_fwhm(data * 1e-9, np.zeros(data.shape, bool), 1e-9)
    assert other.fwhm == pytest.approx(plain.fwhm, rel=1e-2)


@pytest.mark.parametrize("shape", [(16, 16), (300, 300), (3, 500)])
def test_no_stars_give_none(shape):
    data = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    assert measured(data) is None
    assert measure_fwhm(data, np.ones(shape, bool), 1.0) is None
    assert measure_fwhm(np.zeros(shape, np.float32), np.zeros(shape, bool), 0.0) is None


@pytest.mark.skipif(not DATA.exists(), reason="needs the shared data")
@pytest.mark.parametrize(
    ("name", "sigma", "low", "high"),
    [
        ("decam_pairs/DEC-OBS04a.mini.fits", 32, 3.4, 5.2),
        ("cfhtls/CFHTLS-test_i.fits", 1.8, 3.5, 5.0),
        ("sdss_m2/frame-r-002583-2-0136.fits.bz2", 0.031, 1.95, 2.2),
    ],
)
def test_real_frames_give_their_seeing(name, sigma, low, high):
    with fits.open(DATA / name) as hdus:
        data = np.array(hdus[0].data, np.float32)
    psf = measure_fwhm(data, ~np.isfinite(data), sigma)
    assert low < psf.fwhm < high
