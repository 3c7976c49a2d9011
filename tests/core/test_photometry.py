"""Photometry against the truth of simulations, photutils, and sep on real frames."""

import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from bgrem_core.catalog import SourceFlag
from bgrem_core.errors import UsageError
from bgrem_core.growth import Profile
from bgrem_core.image import Image, MaskBit
from bgrem_core.matched import circle_noise
from bgrem_core.normalize import Scale
from bgrem_core.photometry import measure, measure_arrays
from bgrem_core.planes import constant
from bgrem_core.psf import measure_fwhm
from bgrem_core.rings import ring_sky
from bgrem_core.simulate.optical import SceneSettings, draw_noise, draw_scene

OPTICAL = Path(__file__).parents[3] / "shared" / "data" / "optical"
GAIN = 16.0


def as_image(data, **fields):
    data = np.asarray(data, np.float32)
    flags = fields.pop("flags", np.where(np.isfinite(data), 0, MaskBit.NON_FINITE))
    return Image(data=data, flags=flags.astype(np.uint8), **fields)


def as_scale(shape, *, sigma=1.0, rho=0.0, fwhm=4.0):
    return Scale(
        offset=constant(0, shape),
        sigma=constant(sigma, shape),
        median_sigma=sigma,
        rho=rho,
        rho_xy=(rho, rho),
        fwhm=fwhm,
    )


def star(shape, x, y, flux, fwhm=4.0, beta=3.0):
    row, col = np.mgrid[: shape[0], : shape[1]].astype(float)
    return flux * Profile(fwhm=fwhm, beta=beta).density(col - x, row - y)


@lru_cache
def scene_of(density, seed, side):
    rng = np.random.default_rng(seed)
    settings = SceneSettings(
        fwhm=(4, 4.01), density=(density, density + 1), galaxies=(0, 0), discs=0
    )
    return draw_scene(rng, shape=(side, side), settings=settings)


def field(rho, density=250, seed=3, side=800):
    scene = scene_of(density, seed, side)
    rng = np.random.default_rng(1000 + seed)
    noisy = scene.source + draw_noise(rng, scene.source, sigma_e=GAIN, rho=rho)
    return scene, as_image(noisy, gain=GAIN, unit="adu")


@pytest.fixture(scope="module", params=[0.0, 0.35], ids=["white", "correlated"])
def measured(request):
    """Fluxes at all true positions of three fields, with the truth."""
    rho, rows = request.param, []
    for seed in range(2):
        scene, image = field(rho, seed=seed)
        quiet = as_image(scene.source, gain=GAIN)
        psf = measure_fwhm(image.data, image.mask, 1.0)
        truth = scene.truth
        use = truth.snr > 4
        got = {
            method: measure_arrays(
                image.data, truth.x[use], truth.y[use], image=image,
                scale=as_scale(image.shape, rho=rho, fwhm=psf.fwhm), psf=psf,
                method=method,
            )
            for method in ("aperture", "psf")
        }  # fmt: skip
        got["quiet"] = measure_arrays(
            quiet.data, truth.x[use], truth.y[use], image=quiet,
            scale=as_scale(image.shape, fwhm=psf.fwhm), psf=psf, method="aperture",
        )  # fmt: skip
        rows.append((truth.flux[use], truth.snr[use], got))
    return rows


@pytest.mark.parametrize("method", ["aperture", "psf"])
def test_forced_flux_is_unbiased_and_its_error_covers(measured, method):
    true = np.concatenate([row[0] for row in measured])
    snr = np.concatenate([row[1] for row in measured])
    flux = np.concatenate([row[2][method].flux for row in measured])
    error = np.concatenate([row[2][method].flux_err for row in measured])
    flags = np.concatenate([row[2][method].flags for row in measured])
    clean = flags == 0
    bright = clean & (snr > 30)
    assert np.median(flux[bright] / true[bright]) == pytest.approx(1, abs=0.01)
    pull = ((flux - true) / error)[clean & (snr < 100)]
    width = np.percentile(np.abs(pull), 68.27)
    assert abs(np.median(pull)) < 0.15
    assert 0.85 < width < 1.15
    if method == "aperture":
        seen = np.concatenate([row[2]["quiet"].aperture_flux for row in measured])
        small = np.concatenate([row[2][method].aperture_flux for row in measured])
        faint = clean & (snr < 10)
        trials = np.sqrt(np.sum((error[faint] / 1.6) ** 2)) / np.sum(seen[faint])
        bias = np.sum(small[faint]) / np.sum(seen[faint]) - 1
        assert abs(bias) < 3 * trials


def test_aperture_equals_photutils():
    from photutils.aperture import CircularAperture, aperture_photometry

    rng = np.random.default_rng(1)
    data = rng.normal(0, 1, (120, 130)).astype(np.float32)
    x, y = rng.uniform(30, 90, (2, 20))
    got = measure_arrays(
        data, x, y, image=as_image(data), scale=as_scale(data.shape), method="aperture"
    )
    radius = got.setup.radius
    circles = CircularAperture(np.stack([x, y], 1), radius)
    sums = aperture_photometry(data, circles, method="exact")["aperture_sum"]
    np.testing.assert_allclose(
        got.aperture_flux + got.sky * np.pi * radius**2, sums, atol=2e-3
    )


def test_kron_flux_agrees_with_photutils():
    from photutils.segmentation import SourceCatalog, detect_sources

    y, x = np.mgrid[:120, :120]
    data = 100 * np.exp(
        -0.5 * (((x - 60.3) / 9) ** 2 + ((y - 58.7) / 5) ** 2)
    )  # fmt: skip
    data = data.astype(np.float32)
    got = measure_arrays(
        data, [60.3], [58.7], image=as_image(data),
        scale=as_scale(data.shape, sigma=0.1), method="kron",
    )  # fmt: skip
    segments = detect_sources(data, 1.0, 5)
    kron = SourceCatalog(data, segments, kron_params=(2.5, 1.4)).kron_flux
    assert got.flux[0] == pytest.approx(float(kron[0]), rel=0.03)
    assert got.flux[0] == pytest.approx(2 * np.pi * 45 * 100, rel=0.06)
    assert got.a[0] == pytest.approx(9, rel=0.03)
    assert got.b[0] == pytest.approx(5, rel=0.03)
    assert got.theta[0] == pytest.approx(0, abs=1)


@pytest.mark.parametrize("angle", [-60, 20, 75])
def test_shape_is_that_of_the_gaussian(angle):
    y, x = np.mgrid[:61, :61] - 30.0
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    r2 = ((c * x + s * y) / 3) ** 2 + ((c * y - s * x) / 2) ** 2
    data = (50 * np.exp(-0.5 * r2)).astype(np.float32)
    got = measure_arrays(
        data, [30], [30], image=as_image(data), scale=as_scale(data.shape, fwhm=5.0)
    )
    assert got.a[0] == pytest.approx(3, rel=0.01)
    assert got.b[0] == pytest.approx(2, rel=0.01)
    assert got.theta[0] == pytest.approx(angle, abs=1)


def test_star_has_the_fwhm_of_the_psf():
    data = star((81, 81), 40.2, 39.9, 1000)
    got = measure_arrays(
        data, [40.2], [39.9], image=as_image(data), scale=as_scale(data.shape)
    )
    assert got.fwhm[0] == pytest.approx(4.0, rel=0.02)
    assert not got.flags[0] & SourceFlag.EXTENDED


def test_galaxy_is_extended_and_keeps_its_flux():
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:200, :200] - 100.0
    data = 20 * np.exp(-np.hypot(x, y) / 8) + rng.normal(0, 1, (200, 200))
    got = measure_arrays(
        data.astype("f4"), [100], [100], image=as_image(data),
        scale=as_scale(data.shape),
    )  # fmt: skip
    assert got.flags[0] & SourceFlag.EXTENDED
    assert got.flux[0] / (20 * 2 * np.pi * 64) == pytest.approx(0.94, abs=0.06)


def test_close_pair_is_shared_out_by_the_psf():
    rng = np.random.default_rng(3)
    clean = star((90, 90), 40, 45, 3000) + star((90, 90), 44.5, 45, 1500)
    offsets, errors = [], []
    for _ in range(30):
        data = (clean + rng.normal(0, 1, clean.shape)).astype(np.float32)
        got = measure_arrays(
            data, [40, 44.5], [45, 45], image=as_image(data, gain=1e9),
            scale=as_scale(data.shape), method="psf",
        )  # fmt: skip
        assert (got.flags & SourceFlag.BLENDED).all()
        offsets.append(got.flux - [3000, 1500])
        # The correction is one number for the frame: no scatter.
        common = got.correction.error / got.correction.factor * got.flux
        errors.append(np.sqrt(got.flux_err**2 - common**2))
    assert np.abs(np.mean(offsets, axis=0) / [3000, 1500]).max() < 0.01
    assert (np.std(offsets, axis=0) / np.mean(errors, axis=0)) == pytest.approx(
        1, abs=0.3
    )


def test_overlapping_apertures_use_the_psf_by_themselves():
    data = star((90, 90), 40, 45, 3000) + star((90, 90), 44.5, 45, 1500)
    got = measure_arrays(
        data, [40, 44.5], [45, 45], image=as_image(data), scale=as_scale(data.shape)
    )
    np.testing.assert_allclose(got.flux, [3000, 1500], rtol=0.02)


def test_noise_of_a_circle_is_that_of_trials():
    import sep

    from bgrem_core.simulate.optical import correlate

    white = np.random.default_rng(5).standard_normal((1502, 1502), dtype=np.float32)
    x, y = np.mgrid[20:1480:13, 20:1480:13].reshape(2, -1) + 0.3
    for rho in (0.0, 0.4):
        noise = np.ascontiguousarray(correlate(white, rho))
        sums, _, _ = sep.sum_circle(noise, x, y, 4.0, subpix=0)
        assert circle_noise(4.0, (rho, rho)) == pytest.approx(np.std(sums), rel=0.04)


def test_ring_level_is_right_beside_a_star_and_its_error_covers():
    rng = np.random.default_rng(6)
    x, y = (c.ravel() + 0.2 for c in np.mgrid[60:940:60, 60:940:60])
    data = rng.normal(5.0, 1, (1000, 1000))
    for at in zip(x, y, strict=True):
        lo = [int(v) - 25 for v in at]
        data[lo[1] : lo[1] + 51, lo[0] : lo[0] + 51] += star(
            (51, 51), at[0] - lo[0], at[1] - lo[1], 300
        )
    data = data.astype(np.float32)
    sky = ring_sky(
        data, np.ones(data.shape, bool), x, y, fwhm=4.0, sigma=np.ones(len(x))
    )
    assert np.median(sky.level) == pytest.approx(5.0, abs=0.03)
    assert np.std(sky.level) == pytest.approx(np.median(sky.error), rel=0.3)
    assert not sky.contaminated.any()


def test_a_ring_without_noise_is_not_raised_by_faint_sources():
    rng = np.random.default_rng(16)
    light = np.zeros((1000, 1000))
    y, x = rng.integers(0, 1000, (2, 8000))
    np.add.at(light, (y, x), rng.exponential(8.0, 8000))
    light = ndimage.gaussian_filter(light, 1.7)
    px, py = (c.ravel().astype(float) for c in np.mgrid[60:940:40, 60:940:40])
    usable = np.ones(light.shape, bool)
    more = {"fwhm": 4.0, "sigma": np.ones(len(px))}
    noisy = (light + rng.normal(0, 1, light.shape)).astype(np.float32)
    raw = ring_sky(noisy, usable, px, py, **more)
    quiet = ring_sky(light.astype("f4"), usable, px, py, noise_free=True, **more)
    assert np.mean(raw.level) > np.mean(quiet.level) + 0.005
    # The noise of the image is in the error all the same; fewer pixels are left.
    assert 0.9 < np.median(quiet.error) / np.median(raw.error) < 1.5


def test_unknown_gain_means_no_photon_noise_and_a_flag():
    data = star((60, 60), 30, 30, 1e5)
    errors = []
    for gain in (None, 2.0):
        got = measure_arrays(
            data, [30], [30], image=as_image(data, gain=gain),
            scale=as_scale(data.shape), method="psf",
        )  # fmt: skip
        assert bool(got.flags[0] & SourceFlag.NO_GAIN) == (gain is None)
        errors.append(got.flux_err[0])
    photons = np.sqrt(errors[1] ** 2 - errors[0] ** 2)
    # More than sqrt(flux / gain): equal weights are not the best for a bright star.
    assert 1.0 < photons / np.sqrt(1e5 / 2) < 1.4


def test_masked_pixels_are_replaced_and_flagged():
    data = star((60, 60), 30, 30, 1000).astype(np.float32)
    data[28, 31] = np.nan
    got = measure_arrays(
        data, [30], [30], image=as_image(data), scale=as_scale(data.shape)
    )
    assert got.flags[0] & SourceFlag.MASKED
    assert got.flux[0] == pytest.approx(1000, rel=0.08)


def test_saturated_core_edge_and_outside_are_flagged():
    data = star((60, 60), 30, 30, 1e6).astype(np.float32)
    flags = np.where(data > 2e4, MaskBit.SATURATED, 0)
    got = measure_arrays(
        data, [30, 1, 59.4, 200, np.nan], [30, 30, 20, 5, 5],
        image=as_image(data, flags=flags), scale=as_scale(data.shape),
    )  # fmt: skip
    bits = [SourceFlag(int(f)) for f in got.flags]
    assert SourceFlag.SATURATED in bits[0]
    assert SourceFlag.TRUNCATED in bits[1]
    assert SourceFlag.EDGE in bits[2]
    assert np.isnan(got.flux[3:]).all()
    assert np.isfinite(got.flux[:3]).all()


def test_artefact_pixels_are_flagged():
    data = star((60, 60), 30, 30, 1000)
    flags = np.zeros(data.shape)
    flags[30, 31] = MaskBit.ARTEFACT
    got = measure_arrays(
        data, [30], [30], image=as_image(data, flags=flags), scale=as_scale(data.shape)
    )
    assert got.flags[0] & SourceFlag.ARTEFACT


@pytest.mark.parametrize("factor", [1e-12, 1e9])
def test_flux_scales_with_the_unit(factor):
    rng = np.random.default_rng(8)
    data = star((80, 80), 40, 40, 900) + rng.normal(0, 1, (80, 80))
    one, two = (
        measure_arrays(
            (k * data).astype(np.float32), [40, 20], [40, 20],
            image=as_image(k * data, gain=4 / k),
            scale=as_scale(data.shape, sigma=k),
        )
        for k in (1.0, factor)
    )  # fmt: skip
    np.testing.assert_allclose(two.flux / factor, one.flux, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(two.flux_err / factor, one.flux_err, rtol=1e-4)


def test_position_outside_changes_nothing_inside():
    data = star((60, 60), 30, 30, 1000)
    alone, both = (
        measure_arrays(data, x, [30] * len(x), image=as_image(data),
                       scale=as_scale(data.shape))
        for x in ([30], [30, 500])
    )  # fmt: skip
    assert alone.flux[0] == both.flux[0]


def test_blocks_leave_no_trace(monkeypatch):
    import bgrem_core.photometry as photometry

    scene, image = field(0.0, side=400, density=600)
    use = scene.truth.snr > 5
    x, y = scene.truth.x[use], scene.truth.y[use]
    results = []
    for block in (2048, 150):
        monkeypatch.setattr(photometry, "BLOCK", block)
        results.append(
            measure_arrays(
                image.data, x, y, image=image, scale=as_scale(image.shape),
                method="aperture",
            )
        )  # fmt: skip
    np.testing.assert_allclose(results[0].flux, results[1].flux, rtol=1e-6)
    assert np.array_equal(results[0].flags, results[1].flags)


def test_no_positions_give_an_empty_table_with_all_columns():
    data = np.zeros((40, 40))
    table = measure(data, [], [], image=as_image(data), scale=as_scale(data.shape))
    assert len(table) == 0
    assert table.colnames[:3] == ["id", "x", "y"]


def test_unknown_method_is_a_usage_error():
    data = np.zeros((40, 40))
    with pytest.raises(UsageError, match=r"method='best'.*aperture"):
        measure(
            data, [1], [1], image=as_image(data), scale=as_scale(data.shape),
            method="best",
        )  # fmt: skip


def test_table_carries_units_magnitude_and_positions():
    from astropy.io.fits import Header
    from astropy.wcs import WCS

    header = Header(
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": -20.0,
         "CRPIX1": 31.0, "CRPIX2": 31.0, "CDELT1": -1e-4, "CDELT2": 1e-4,
         "CUNIT1": "deg", "CUNIT2": "deg"}
    )  # fmt: skip
    data = star((60, 60), 30, 30, 1000)
    image = as_image(data, unit="electron", zeropoint=25.0, header=header)
    table = measure(data, [30], [30], image=image, scale=as_scale(data.shape))
    assert str(table["flux"].unit) == "electron"
    assert table["ra"][0].value == pytest.approx(10.0)
    assert table["dec"][0].value == pytest.approx(-20.0)
    assert table["mag"][0].value == pytest.approx(17.5, abs=0.03)
    assert table["x_fits"][0].value == 31
    assert "0-based" in table["x"].info.description
    assert WCS(header).naxis == 2


def real_frames():
    names = (
        "decam_legacysurvey/testcase4_c4d_170316_062107_ooi_z_ls9.N2.fits",
        "cfhtls/CFHTLS-test_r.fits",
    )
    return [
        pytest.param(OPTICAL / n, id=Path(n).parent.name,
                     marks=pytest.mark.skipif(not (OPTICAL / n).exists(),
                                              reason="no shared data"))
        for n in names
    ]  # fmt: skip


@pytest.mark.parametrize("path", real_frames())
def test_real_frame_agrees_with_sep(path):
    import sep
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path) as hdus:
            data = next(h.data for h in hdus if h.data is not None and h.data.ndim == 2)
    data = np.ascontiguousarray(data, np.float32)
    background = sep.Background(data)
    data = data - background.back()
    sigma = background.globalrms
    objects = sep.extract(data, 10 * sigma, minarea=9)
    x, y = objects["x"], objects["y"]
    psf = measure_fwhm(data, np.zeros(data.shape, bool), sigma)
    fwhm = psf.fwhm if psf is not None else 3.5
    got = measure_arrays(
        data, x, y, image=as_image(data), psf=psf,
        scale=as_scale(data.shape, sigma=sigma, fwhm=fwhm), method="aperture",
    )  # fmt: skip
    radius = got.setup.radius
    rings = (4 * fwhm, 6 * fwhm)
    sums, _, _ = sep.sum_circle(data, x, y, radius, subpix=0, bkgann=rings)
    clean = (got.flags & ~SourceFlag.NO_GAIN) == 0
    assert np.count_nonzero(clean) >= 3
    # sep's ring is a plain mean, ours a clipped median: stars in rings differ.
    difference = np.abs(got.aperture_flux - sums)[clean]
    assert np.median(difference / np.abs(sums[clean])) < 0.01
    kron, _ = sep.kron_radius(
        data, x, y, objects["a"], objects["b"], objects["theta"], 6.0
    )
    auto, _, _ = sep.sum_ellipse(
        data, x, y, objects["a"], objects["b"], objects["theta"],
        np.maximum(2.5 * kron, 3.5), subpix=5,
    )  # fmt: skip
    ours = measure_arrays(
        data, x, y, image=as_image(data), psf=psf,
        scale=as_scale(data.shape, sigma=sigma, fwhm=fwhm), method="kron",
    )  # fmt: skip
    assert np.median((ours.flux / auto)[clean]) == pytest.approx(1, abs=0.1)
