"""Scale by SCIENCE "Noise and gain": sigma within 3 %, correlation within 0.03."""

import bz2
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal

from bgrem_core.errors import UsageError
from bgrem_core.image import Image
from bgrem_core.normalize import measure_scale
from bgrem_core.progress import drain

DATA = Path(__file__).parents[3] / "shared" / "data" / "optical"


def moffat(fwhm, beta, oversample=1):
    half = int(4 * fwhm * oversample)
    y, x = np.mgrid[-half : half + 1, -half : half + 1] / oversample
    scale = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)
    kernel = (1 + (x * x + y * y) / scale) ** -beta
    return kernel / kernel.sum()


@cache
def stars(density, fwhm, n=768, seed=1, slope=0.9, faintest=0.2):
    """Stars of steep counts; `density` per Mpix above S/N 5, noise sigma 1."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(density * n * n / 1e6 * (faintest / 5) ** -slope)
    snr = np.minimum(faintest * rng.random(count) ** (-1 / slope), 3000)
    flux = snr / np.sqrt((moffat(fwhm, 3.5) ** 2).sum())
    fine = np.zeros((3 * n, 3 * n))
    np.add.at(fine, tuple(rng.integers(0, 3 * n, (2, count))), flux)
    drawn = signal.oaconvolve(fine, 9 * moffat(fwhm, 3.5, 3), mode="same")
    return drawn[1::3, 1::3]


def noise(shape, a=0.0, seed=2):
    """Unit noise under the separable kernel [a, 1, a]."""
    kernel = np.array([a, 1, a]) / np.sqrt(1 + 2 * a * a)
    white = np.random.default_rng(seed).standard_normal(shape)
    along = ndimage.convolve1d(white, kernel, axis=0, mode="wrap")
    return ndimage.convolve1d(along, kernel, axis=1, mode="wrap")


def as_image(data, **options):
    data = np.asarray(data, np.float32)
    flags = (~np.isfinite(data)).astype(np.uint8)
    return Image(data=data, flags=flags, **options)


def scale_of(data, **options):
    return drain(measure_scale(as_image(data), **options))


@pytest.mark.parametrize("fwhm", [2.5, 4.0, 6.0])
@pytest.mark.parametrize("density", [0, 500, 4000])
def test_undetected_stars_do_not_look_like_noise(density, fwhm):
    frame = stars(density, fwhm) + noise((768, 768)) + 100
    scale = scale_of(frame)
    assert max(abs(r) for r in scale.rho_xy) < 0.03
    assert scale.rho == pytest.approx(sum(scale.rho_xy) / 2)
    assert scale.median_sigma == pytest.approx(1, rel=0.03)
    sigma = np.asarray(scale.sigma)
    assert np.quantile(np.abs(sigma - 1), 0.9) < 0.06
    if fwhm > 2.5:
        assert not scale.uncertain
    if density:
        assert scale.fwhm == pytest.approx(fwhm, rel=0.03)


@pytest.mark.parametrize("a", [0.05, 0.15, 0.25])
@pytest.mark.parametrize("density", [0, 4000])
def test_correlated_noise_is_told_from_stars(a, density):
    frame = stars(density, 4.0) + noise((768, 768), a)
    scale = scale_of(frame)
    truth = 2 * a / (1 + 2 * a * a)
    assert scale.rho_xy == pytest.approx((truth, truth), abs=0.03)
    assert scale.median_sigma == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("shift", [(0.5, 0.5), (0.1, 0.4)])
def test_resampled_noise_has_a_correlation_along_each_axis(shift):
    resampled = noise((768, 768))
    for axis, part in enumerate(shift):
        offset = np.arange(-3, 4) - part
        kernel = np.where(np.abs(offset) < 3, np.sinc(offset) * np.sinc(offset / 3), 0)
        resampled = ndimage.convolve1d(resampled, kernel / kernel.sum(), axis=axis)
    resampled /= resampled.std()
    along_x = float(np.mean(resampled[:, 1:] * resampled[:, :-1]))
    along_y = float(np.mean(resampled[1:] * resampled[:-1]))
    scale = scale_of(resampled + stars(500, 4.0))
    assert scale.rho_xy == pytest.approx((along_x, along_y), abs=0.03)
    assert scale.median_sigma == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("edge", [384, 350])
def test_two_depths_get_their_own_sigma(edge):
    depth = np.where(np.arange(768) < edge, 1.0, 2.5)
    frame = depth * noise((768, 768)) + stars(500, 4.0)
    sigma = np.asarray(scale_of(frame).sigma)
    deep, shallow = sigma[:, : edge - 80], sigma[:, edge:]
    assert np.median(deep) == pytest.approx(1, rel=0.03)
    assert np.median(shallow) == pytest.approx(2.5, rel=0.03)
    # Nowhere on the noisy side is sigma far too small: no strip of false detections.
    assert np.quantile(shallow / 2.5, 0.01) > 0.85


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_integers_keep_their_noise(sigma):
    frame = np.round(sigma * noise((512, 512)) + 1000.3)
    scale = scale_of(frame)
    # Rounding adds 1/12 of variance (Sheppard).
    assert scale.median_sigma == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=0.03)
    assert abs(scale.rho) < 0.03


def test_a_constant_frame_has_no_noise_and_says_so():
    scale = scale_of(np.full((200, 300), 7.25))
    assert not np.asarray(scale.sigma).any()
    np.testing.assert_allclose(np.asarray(scale.offset), 7.25)
    assert scale.median_sigma == 0
    assert "no noise" in scale.notices[0]


def test_a_half_constant_frame_has_noise_in_the_other_half():
    frame = noise((512, 512))
    frame[:, :300] = 5
    scale = scale_of(frame)
    sigma = np.asarray(scale.sigma)
    assert not sigma[:, :230].any()
    assert np.median(sigma[:, 310:]) == pytest.approx(1, rel=0.03)
    assert scale.median_sigma == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("kind", ["block", "most rows", "scattered"])
def test_masked_pixels_are_not_used(kind):
    frame = noise((512, 512)) + 50
    if kind == "block":
        frame[100:300, 50:400] = np.nan
    elif kind == "most rows":
        frame[:460] = np.nan
    else:
        frame[np.random.default_rng(0).random(frame.shape) < 0.9] = np.nan
    scale = scale_of(frame)
    assert scale.median_sigma == pytest.approx(1, rel=0.04)
    assert np.isfinite(np.asarray(scale.sigma)).all()
    assert np.asarray(scale.offset) == pytest.approx(50, abs=0.3)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_any_shape_gives_a_finite_scale(ny, nx, holes):
    frame = noise((ny, nx))
    if holes:
        frame[::2, ::3] = np.nan
    scale = scale_of(frame)
    for plane in (scale.sigma, scale.offset):
        assert plane.shape == (ny, nx)
        assert np.isfinite(np.asarray(plane)).all()
    assert np.isfinite(scale.rho)


def test_small_frames_have_one_node():
    scale = scale_of(noise((16, 16)))
    assert scale.sigma.nodes.shape == (1, 1)
    assert scale.median_sigma == pytest.approx(1, rel=0.25)
    assert scale.uncertain


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([1e-12, 1e-5, 0.37, 1e4, 1e12]),
    st.sampled_from([0.0, 1.0, -300.0]),
    st.integers(0, 3),
)
def test_the_scale_follows_unit_and_level(factor, level, seed):
    frame = noise((160, 192), seed=seed) + stars(500, 4.0)[:160, :192]
    plain, other = scale_of(frame), scale_of(factor * (frame + level))
    sigma, offset = np.asarray(plain.sigma), np.asarray(plain.offset)
    np.testing.assert_allclose(np.asarray(other.sigma) / factor, sigma, rtol=1e-4)
    np.testing.assert_allclose(
        np.asarray(other.offset) / factor, offset + level, rtol=1e-4, atol=2e-4
    )
    assert other.rho == pytest.approx(plain.rho, abs=1e-4)


def test_what_is_said_beats_what_is_measured():
    frame = noise((128, 128))
    rms = np.full(frame.shape, 2.0, np.float32)
    given_map = drain(measure_scale(as_image(frame, rms=rms)))
    assert given_map.source == "error map"
    assert given_map.median_sigma == 2
    assert given_map.sigma is rms
    both = drain(measure_scale(as_image(frame, rms=rms), norm=5))
    assert (both.source, both.median_sigma) == ("-n", 0.2)
    assert any("not used" in notice for notice in both.notices)
    by_norm = scale_of(frame, norm=4)
    assert (by_norm.source, by_norm.median_sigma) == ("-n", 0.25)
    np.testing.assert_array_equal(by_norm.sigma[0:2, 0:3], np.float32(0.25))
    assert drain(measure_scale(as_image(frame, fwhm=3.5))).fwhm == 3.5
    assert scale_of(frame, fwhm=4.5).fwhm == 4.5


def test_the_paper_estimator_is_that_of_the_published_code():
    frame = noise((256, 256)) + 20
    scale = scale_of(frame, estimator="paper")
    lowest = np.sort(frame[frame > 0])[: int(0.9 * frame.size)]
    assert scale.source == "paper"
    assert scale.median_sigma == pytest.approx(lowest.std(), rel=0.01)
    assert scale.median_sigma == pytest.approx(0.84, rel=0.03)


def test_a_narrow_psf_makes_the_correlation_uncertain():
    scale = scale_of(stars(1500, 1.6) + noise((768, 768)))
    assert scale.uncertain
    assert "undersampled" in scale.notices[0]
    assert scale.median_sigma == pytest.approx(1, rel=0.06)


def test_the_offset_follows_a_slope_and_ignores_stars():
    slope = np.linspace(0, 30, 768)
    frame = noise((768, 768)) + slope + stars(500, 4.0) + 500
    offset = np.asarray(scale_of(frame).offset)
    error = (offset - slope - 500)[64:-64, 64:-64]
    assert np.abs(error).max() < 0.5


def test_progress_counts_up_to_its_total():
    steps = list(measure_scale(as_image(noise((300, 200)))))
    done = [step for step, _ in steps]
    assert done == sorted(done)
    assert steps[-1][0] == steps[-1][1]
    assert len({total for _, total in steps}) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [({"estimator": "guess"}, "estimator='guess'"), ({"norm": -1.0}, "norm=-1.0")],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        scale_of(noise((32, 32)), **options)


@pytest.mark.skipif(not DATA.exists(), reason="needs the shared data")
@pytest.mark.parametrize(
    ("name", "sigma", "rho"),
    [
        ("decam_legacysurvey/testcase8_c4d_171113_060340_ooi_r_ls9.N6.fits", 7.1, 0.0),
        ("decam_pairs/DEC-OBS04a.mini.fits", 32.0, 0.0),
        ("sdss_m2/frame-g-002583-2-0136.fits.bz2", 0.0201, 0.0),
    ],
)
def test_real_single_exposures_have_nearly_white_noise(name, sigma, rho):
    raw = (DATA / name).read_bytes()
    raw = bz2.decompress(raw) if name.endswith("bz2") else raw
    with fits.HDUList.fromstring(raw) as hdus:
        data = next(h.data for h in hdus if h.is_image and h.data is not None)
        scale = scale_of(np.array(data[:800, :800]))
    assert scale.median_sigma == pytest.approx(sigma, rel=0.06)
    assert scale.rho == pytest.approx(rho, abs=0.1)
