import numpy as np
import pytest

from bgrem_core.simulate import (
    KINDS,
    Psf,
    SceneSettings,
    correlate,
    draw_noise,
    draw_scene,
    draw_sky,
)
from bgrem_core.simulate.optical import BORDER, FINE, PSF_RADIUS, _psf_grid

STARS = SceneSettings(
    fwhm=(4, 4), beta=(3, 3), ellipticity=(0, 0), galaxies=(0, 0), discs=0,
    density=(60, 60), slope=(0.7, 0.7),
)  # fmt: skip


@pytest.fixture(scope="module")
def stars():
    return draw_scene(np.random.default_rng(3), shape=(512, 512), settings=STARS)


def moffat(x, y, x0, y0, fwhm=4.0, beta=3.0):
    core2 = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)
    return (
        (1 + ((x - x0) ** 2 + (y - y0) ** 2) / core2) ** -beta
        * (beta - 1)
        / (np.pi * core2)
    )


def test_equal_seeds_give_equal_fields_and_others_do_not():
    a, b, c = (
        draw_scene(np.random.default_rng([1, k]), shape=(96, 64)) for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(a.source, b.source)
    np.testing.assert_array_equal(a.truth.flux, b.truth.flux)
    assert not np.array_equal(a.source, c.source)
    assert a.source.shape == (96, 64)
    assert a.source.dtype == np.float32


def test_a_star_is_the_moffat_of_its_flux_at_its_place(stars):
    t = stars.truth
    y, x = np.mgrid[:512, :512]
    slow = sum(
        f * moffat(x, y, x0, y0) for f, x0, y0 in zip(t.flux, t.x, t.y, strict=True)
    )
    brightest = np.argmax(t.flux)
    y0, x0 = int(t.y[brightest]), int(t.x[brightest])
    near = (slice(max(y0 - 8, 0), y0 + 9), slice(max(x0 - 8, 0), x0 + 9))
    # The deposit on the finer grid blurs by less than 2 % of the peak.
    np.testing.assert_allclose(
        stars.source[near], slow[near], atol=0.02 * slow[near].max()
    )


def test_the_signal_to_noise_of_a_star_is_that_of_its_matched_filter(stars):
    y, x = np.mgrid[-60:61, -60:61]
    profile = moffat(x, y, 0, 0)
    expected = stars.truth.flux * np.sqrt(np.sum(profile**2))
    np.testing.assert_allclose(stars.truth.snr, expected, rtol=0.03)


def test_the_signal_to_noise_of_a_galaxy_is_that_of_its_own_profile():
    settings = SceneSettings(
        fwhm=(3, 3), galaxies=(1, 1), discs=0, density=(300, 300), slope=(0.6, 0.6),
        snr=(500, 2e4),
    )  # fmt: skip
    checked = 0
    for seed in range(6, 12):
        scene = draw_scene(
            np.random.default_rng(seed), shape=(256, 256), settings=settings
        )
        t = scene.truth
        alone = len(t) == 1 and 40 < t.x[0] < 216 and 40 < t.y[0] < 216
        if alone:
            # The S/N of a linear filter of its own shape is the norm of its image.
            seen = float(np.sqrt(np.sum(scene.source.astype(float) ** 2)))
            assert seen == pytest.approx(t.snr[0], rel=0.01)
            assert scene.source.sum() == pytest.approx(t.flux[0], rel=0.01)
            checked += 1
    assert checked


def test_counts_follow_the_asked_density_and_slope():
    settings = SceneSettings(density=(1500, 1500), slope=(0.8, 0.8), discs=0)
    snr = np.concatenate(
        [
            draw_scene(
                np.random.default_rng([7, k]), shape=(512, 512), settings=settings
            ).truth.snr
            for k in range(3)
        ]
    )
    area = 3 * 512**2 / 1e6
    bright = np.sum(snr > 5)
    assert bright == pytest.approx(1500 * area, rel=4 / np.sqrt(1500 * area))
    assert np.log10(np.sum(snr > 1) / bright) / np.log10(5) == pytest.approx(
        0.8, abs=0.05
    )
    assert snr.min() < 0.5


def test_no_light_wraps_round_the_frame():
    # A source just outside one edge must not shine in at the opposite one.
    for shape in ((64, 64), (64, 96)):
        kernel = _psf_grid(
            Psf(fwhm=8, beta=2.3, ellipticity=0, angle=0),
            tuple(FINE * (n + BORDER + PSF_RADIUS) for n in shape),
        )
        fine = np.zeros(kernel.shape, np.float32)
        fine[0, 0] = 1.0  # the farthest corner that receives sources
        seen = np.fft.irfft2(np.fft.rfft2(fine) * np.fft.rfft2(kernel), s=fine.shape)
        first, last = FINE * BORDER, [FINE * (BORDER + n) for n in shape]
        frame = np.abs(seen[first : last[0], first : last[1]])
        assert frame[-6:].max() < 0.2 * frame[:6].max()


def test_all_kinds_of_sources_are_drawn():
    settings = SceneSettings(discs=20)
    kinds = draw_scene(
        np.random.default_rng(1), shape=(512, 512), settings=settings
    ).truth.kind
    fast = ("star", "exponential", "devaucouleurs", "disc")
    assert set(kinds) == {KINDS.index(k) for k in fast}


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.3, 0.45])
@pytest.mark.parametrize("sigma_e", [3.0, 100.0])
def test_blank_noise_has_unit_variance_and_the_asked_correlation(rho, sigma_e):
    noise = draw_noise(
        np.random.default_rng(5),
        np.zeros((700, 700), np.float32),
        sigma_e=sigma_e,
        rho=rho,
    )
    assert abs(noise.mean()) < 0.02
    assert noise.std() == pytest.approx(1, abs=0.01)
    for a, b in ((noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1])):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] == pytest.approx(rho, abs=0.01)


@pytest.mark.parametrize("sigma_e", [4.0, 20.0])
def test_sources_bring_their_photon_noise(sigma_e):
    source = np.full((500, 500), 60.0, np.float32)
    noise = draw_noise(np.random.default_rng(6), source, sigma_e=sigma_e)
    assert noise.std() == pytest.approx(np.sqrt(1 + 60 / sigma_e), rel=0.01)
    assert abs(noise.mean()) < 0.05


def test_few_electrons_give_skewed_noise():
    noise = draw_noise(
        np.random.default_rng(6), np.zeros((400, 400), np.float32), sigma_e=3
    )
    assert np.mean(noise**3) == pytest.approx(1 / 3, abs=0.03)


def test_correlation_zero_changes_nothing():
    white = np.random.default_rng(0).standard_normal((12, 12)).astype(np.float32)
    np.testing.assert_array_equal(correlate(white, 0.0), white[1:-1, 1:-1])


def test_the_sky_has_structure_of_the_asked_size():
    sky = draw_sky(np.random.default_rng(1), shape=(101, 80), level=10, channels=0)
    assert sky.shape == (101, 80)
    assert 0.5 < np.ptp(sky) < 5
    flat = draw_sky(
        np.random.default_rng(1), shape=(64, 64), level=10, gradient=0, vignette=0,
        blob=0, channels=0,
    )  # fmt: skip
    np.testing.assert_allclose(flat, 10, rtol=1e-6)
