"""Noise of filled pixels: that of the sky in strength and in correlation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from bgrem_core.simulate.stars import draw_star_field, preset
from bgrem_core.stars.grain import WHITE, Grain, draw_grain, measure_grain
from bgrem_core.stars.options import StarOptions
from bgrem_core.stars.remove import remove

SIDE = 256
TAPS = {"white": (1,), "linear": (1, 0.5), "halves": (1, 1), "smooth": (0.5, 1, 0.5)}


def unit(taps):
    taps = np.array(taps, float)
    return taps / np.sqrt(np.sum(taps**2))


def noise(taps, seed=1, shape=(SIDE, SIDE)):
    out = np.random.default_rng(seed).standard_normal(shape)
    for axis in (0, 1):
        out = ndimage.convolve1d(out, unit(taps), axis=axis, mode="wrap")
    return out


def known(taps, lag):
    taps = unit(taps)
    return float(np.sum(taps[lag:] * taps[: len(taps) - lag])) if lag < len(taps) else 0


def neighbours(values, where, axis):
    """Correlation at lag 1 along an axis of the pixels of a mask, and pairs."""
    v, w = np.moveaxis(values, axis, 0), np.moveaxis(where, axis, 0)
    both = w[1:] & w[:-1]
    return float(np.mean((v[1:] * v[:-1])[both]) / np.mean(values[where] ** 2)), both


@pytest.mark.parametrize("name", TAPS)
def test_the_correlation_is_measured_beside_stars_and_nebulae(name):
    taps = TAPS[name]
    y, x = np.mgrid[:SIDE, :SIDE]
    cloud = 40 * np.exp(-((y - 100) ** 2 + (x - 150) ** 2) / 2500)
    free = np.random.default_rng(2).random((SIDE, SIDE)) > 0.002
    z = np.where(free, noise(taps) + cloud, 1e6)
    grain = measure_grain(z, np.ones_like(z), free)
    assert grain.white == (name == "white")
    for along in (grain.y, grain.x):
        for lag in (1, 2):
            assert along[lag - 1] == pytest.approx(known(taps, lag), abs=0.03)
    ideal = 1.0
    for axis in (0, 1):
        fine = noise(taps)
        for _ in range(4):
            fine = np.diff(fine, axis=axis)
        ideal *= np.mean(fine**2) / 70
    assert grain.gain == pytest.approx(ideal, rel=0.25)


@pytest.mark.parametrize("name", TAPS)
def test_what_is_drawn_has_the_correlation_and_unit_variance(name):
    taps = TAPS[name]
    along = np.array([known(taps, lag) for lag in range(1, 6)])
    drawn = draw_grain(Grain(y=along, x=along), (400, 300), (1, 0))
    assert np.mean(drawn**2) == pytest.approx(1, abs=0.04)
    everywhere = np.ones(drawn.shape, bool)
    for axis in (0, 1):
        seen, _ = neighbours(drawn, everywhere, axis)
        assert seen == pytest.approx(known(taps, 1), abs=0.02)
    # Edges are like the middle.
    assert np.mean(drawn[:8] ** 2) == pytest.approx(1, abs=0.25)
    again = draw_grain(Grain(y=along, x=along), (400, 300), (1, 0))
    np.testing.assert_array_equal(drawn, again)


def test_white_noise_is_drawn_as_ever():
    drawn = draw_grain(WHITE, (20, 30), (7, 1))
    plain = np.random.default_rng([7, 1]).standard_normal((20, 30))
    np.testing.assert_array_equal(drawn, plain)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (20, 20)])
def test_too_few_pixels_tell_of_no_correlation(shape):
    z = noise(TAPS["halves"], shape=shape)
    assert measure_grain(z, np.ones(shape), np.ones(shape, bool)).white
    assert measure_grain(z, np.ones(shape), np.zeros(shape, bool)).white
    assert measure_grain(np.zeros(shape), np.ones(shape), np.ones(shape, bool)).white


def resampled(name):
    """A field whose noise is correlated, that noise in sigma, and sigma."""
    scene = replace(preset("A"), stars=60, flux=(1e4, 1e6), nebula=100.0)
    field = draw_star_field(np.random.default_rng(3), (SIDE, SIDE), scene)
    sigma = field.sigma[0].astype(float)
    grains = noise(TAPS[name], seed=5)
    image = field.clean[0] + field.starlight[0] + grains * sigma
    return image[None].astype(np.float32), grains, sigma


def run(image, **options):
    return remove(image, np.zeros(image.shape[1:], bool), StarOptions(**options))


@pytest.mark.parametrize("method", ["psf", "mask"])
@pytest.mark.parametrize("name", TAPS)
def test_filled_pixels_get_the_noise_of_the_sky_round_them(name, method):
    image, grains, sigma = resampled(name)
    plain, noisy = (run(image, method=method, noise=n) for n in (False, True))
    np.testing.assert_array_equal(plain.filled, noisy.filled)
    given = (plain.stars[0].astype(float) - noisy.stars[0]) / sigma
    filled = noisy.filled
    assert filled.sum() > (50 if method == "psf" else 3000)
    # Correlated pixels tell less than free ones.
    free = filled.sum() / (1 + 2 * known(TAPS[name], 1) ** 2) ** 2
    rms = np.sqrt(np.mean(given[filled] ** 2))
    assert rms == pytest.approx(1, abs=0.05 + 4 / np.sqrt(2 * free))
    for axis in (0, 1):
        seen, both = neighbours(given, filled, axis)
        outside, _ = neighbours(grains, ~noisy.support, axis)
        error = 4 / np.sqrt(both.sum() * free / filled.sum())
        assert seen == pytest.approx(outside, abs=0.02 + error)
    again = run(image, method=method, noise=True)
    np.testing.assert_array_equal(again.stars, noisy.stars)


@pytest.mark.parametrize("name", "ABCDES")
@pytest.mark.parametrize("fwhm", [1.2, 3.0, 6.0])
def test_stars_and_nebulae_on_white_noise_are_no_correlation(name, fwhm):
    from bgrem_core.stars.pixels import coarse_level, fit_noise

    scene = replace(preset(name, (SIDE, SIDE)), fwhm=fwhm)
    z = draw_star_field(np.random.default_rng(4), (SIDE, SIDE), scene).image[0]
    good = np.ones(z.shape, bool)
    z = z.astype(float)
    law = fit_noise(z, good, coarse_level(z, good, max(8, round(4 * fwhm))))
    assert law.grain.white


def test_correlated_noise_hides_stars_no_more_than_it_must():
    """Read off differences alone, it seemed weak, and every knot of it a source."""
    image, _, _ = resampled("smooth")
    result = run(image)
    assert (~result.table.left).sum() > 40
    assert result.table.left.sum() < 600
