"""Sky by SCIENCE "Sky": what "auto" chooses, and what the meshes reach."""

from pathlib import Path

import numpy as np
import pytest
import sep
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal

from bgrem_core import sky_nodes
from bgrem_core.errors import UsageError
from bgrem_core.image import Image
from bgrem_core.normalize import measure_scale
from bgrem_core.planes import LazyPlane, constant
from bgrem_core.progress import drain
from bgrem_core.sky import estimate_sky, iter_sky
from bgrem_core.sky_choice import SkyChoice, choose_sky_scale

DATA = Path(__file__).parents[3] / "shared" / "data" / "optical"


def stars(density, fwhm, n, seed=1):
    rng = np.random.default_rng(seed)
    count = rng.poisson(density * n * n / 1e6 * 0.1**-0.8)
    snr = np.minimum(0.5 * rng.random(count) ** (-1 / 0.8), 3000)
    half = int(4 * fwhm)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = (1 + (x * x + y * y) * 4 * (2 ** (1 / 3) - 1) / fwhm**2) ** -3.0
    kernel /= kernel.sum()
    points = np.zeros((n, n))
    flux = snr / np.sqrt((kernel**2).sum())
    np.add.at(points, tuple(rng.integers(0, n, (2, count))), flux)
    return signal.oaconvolve(points, kernel, mode="same")


def structured_sky(n, sky=10.0):
    """15 % gradient, 6 % vignette, 12 % blob, four channel offsets; in sigma."""
    y, x = np.mgrid[0:n, 0:n] / n
    out = sky * (1 + 0.15 * (x - 0.5)) * (1 - 0.12 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))
    out += 0.12 * sky * np.exp(-((x - 0.3) ** 2 + (y - 0.6) ** 2) / (2 * 0.15**2))
    return out + np.array([0.09, -0.06, 0.04, -0.08])[(4 * x).astype(int)]


def smooth_noise(n, seed=4):
    """What a denoiser leaves of blank sky: 0.03 sigma, smooth."""
    field = ndimage.gaussian_filter(
        np.random.default_rng(seed).standard_normal((n, n)), 2
    )
    return 0.03 * field / field.std()


def white(n, seed=2):
    return np.random.default_rng(seed).standard_normal((n, n))


def as_image(data):
    data = np.asarray(data, np.float32)
    return Image(data=data, flags=(~np.isfinite(data)).astype(np.uint8))


def chosen(data, setting="auto"):
    image = as_image(data)
    scale = drain(measure_scale(image))
    choice = choose_sky_scale(setting, data=image.data, flags=image.flags, scale=scale)
    return choice, image, scale


def sky_of(data, side, *, denoised=False, sigma=1.0, fwhm=4.0, **choice):
    image = as_image(data)
    return estimate_sky(
        image.data,
        image.flags,
        choice=SkyChoice(scale=side, **choice),
        sigma=constant(sigma, image.shape),
        denoised=denoised,
        fwhm=fwhm,
    )


@pytest.mark.parametrize("level", [5.0, 100.0])
def test_auto_takes_256_pixels_where_there_is_sky(level):
    choice, image, scale = chosen(white(512) + level + stars(500, 4.0, 512))
    assert (choice.scale, choice.constant) == (256, False)
    sky = estimate_sky(
        image.data,
        image.flags,
        choice=choice,
        sigma=scale.sigma,
        denoised=False,
        fwhm=scale.fwhm,
    )
    assert sky.description == "mesh 256 px, raw image, auto"
    assert np.asarray(sky.mesh) == pytest.approx(level, abs=0.2)


def test_auto_takes_at_least_twenty_fwhm():
    data = (white(700) + 50 + stars(500, 4.0, 700)).astype(np.float32)
    scale = drain(measure_scale(as_image(data), fwhm=18.0))
    flags = np.zeros(data.shape, np.uint8)
    assert choose_sky_scale("auto", data=data, flags=flags, scale=scale).scale == 360


@pytest.mark.parametrize("density", [0, 500, 4000])
def test_auto_leaves_a_subtracted_frame_alone(density):
    choice, image, scale = chosen(white(512) + stars(density, 4.0, 512))
    assert choice.scale is None
    assert "already sky-subtracted" in choice.why
    sky = estimate_sky(
        image.data,
        image.flags,
        choice=choice,
        sigma=scale.sigma,
        denoised=True,
        fwhm=4.0,
    )
    assert not np.asarray(sky.mesh).any()
    assert sky.description.startswith("none")


def test_auto_sees_a_slope_through_zero():
    slope = np.linspace(-3, 3, 512)
    assert chosen(white(512) + slope)[0].scale == 256


@pytest.mark.parametrize("n", [256, 512])
@pytest.mark.parametrize("level", [0.0, 100.0])
@pytest.mark.parametrize("denoised", [True, False])
def test_a_galaxy_that_fills_the_cutout_keeps_its_flux(n, level, denoised):
    y, x = np.mgrid[0:n, 0:n]
    r = np.hypot(x - n / 2 + 3, (y - n / 2 - 5) / 0.7)
    # The isophote of 0.5 sigma encloses 70 % of the frame.
    edge = np.quantile(r, 0.7)
    galaxy = 100 * np.exp(-r / (edge / np.log(200)))
    clean = galaxy + level + stars(300, 4.0, n)
    choice, image, scale = chosen(clean + white(n))
    plane = clean + smooth_noise(n) if denoised else image.data
    sky = estimate_sky(
        np.asarray(plane, np.float32),
        image.flags,
        choice=choice,
        sigma=scale.sigma,
        denoised=denoised,
        fwhm=scale.fwhm,
    )
    lost = float(np.sum(np.asarray(sky.mesh, np.float64) - level)) / galaxy.sum()
    assert abs(lost) < 0.02
    if level:
        assert choice.constant
        assert "constant" in choice.notices[0]
        assert sky.notices == choice.notices


@pytest.mark.parametrize(("side", "limit"), [(64, 0.025), (128, 0.04), (256, 0.1)])
def test_the_sky_of_a_denoised_frame(side, limit):
    n = 1024
    truth = structured_sky(n)
    clean = truth + stars(500, 4.3, n)
    error = np.asarray(sky_of(clean + smooth_noise(n), side, denoised=True).mesh)
    error = error - truth
    assert abs(np.median(error)) < 0.02
    assert error.std() < limit


def test_the_raw_mesh_is_that_of_sep():
    n = 1024
    truth = structured_sky(n)
    data = (truth + stars(500, 4.3, n) + white(n)).astype(np.float32)
    ours = np.asarray(sky_of(data, 64).mesh)
    theirs = sep.Background(data, bw=64, bh=64, fw=3, fh=3).back()
    assert (ours - theirs).std() < 0.07
    assert abs(np.median(ours - theirs)) < 0.02
    assert (ours - truth).std() < 1.3 * (theirs - truth).std()


def test_a_faint_disc_is_kept_at_256_pixels():
    n = 1024
    y, x = np.mgrid[0:n, 0:n]
    r = np.hypot(x - 500, y - 540)
    disc = 1.5 * np.exp(-r / 18)
    base = 10 + stars(300, 4.3, n) + smooth_noise(n)
    near = r < 4 * 18
    change = [
        np.asarray(sky_of(base + part, 256, denoised=True).mesh)[near].sum()
        for part in (disc, 0)
    ]
    assert (change[0] - change[1]) / disc[near].sum() < 0.06


def test_a_scale_of_the_user_is_followed():
    assert sky_of(white(300), 100).mesh.nodes.shape == (3, 3)
    one = chosen(white(100) + 20, 256)[0]
    assert "over half" in one.notices[0]
    sky = sky_of(white(100) + 20, 256)
    values = np.asarray(sky.mesh)
    assert np.unique(values).size == 1
    assert values[0, 0] == pytest.approx(20, abs=0.1)
    assert chosen(white(64), "none")[0].scale is None
    assert chosen(white(300), "100")[0].scale == 100


@pytest.mark.parametrize("setting", ["wide", 0, -5, "1.5"])
def test_a_scale_that_is_none_is_refused(setting):
    with pytest.raises(UsageError, match="sky_scale="):
        chosen(white(32), setting)


def test_masked_cells_are_interpolated_and_counted():
    data = white(384) + np.linspace(0, 10, 384) + 50
    data[128:256, 128:256] = np.nan
    sky = sky_of(data, 64)
    assert "11% of the mesh cells" in sky.notices[0]
    error = np.asarray(sky.mesh) - np.linspace(0, 10, 384) - 50
    assert np.abs(error).max() < 1.0


@pytest.mark.parametrize("denoised", [True, False])
def test_a_lazy_plane_is_read_by_rows_of_cells(denoised):
    data = (10 + stars(500, 4.0, 512) + smooth_noise(512)).astype(np.float32)
    tallest = 0

    def read(rows, cols):
        nonlocal tallest
        tallest = max(tallest, rows.stop - rows.start)
        return data[rows, cols]

    steps = iter_sky(
        LazyPlane(data.shape, read),
        np.zeros(data.shape, np.uint8),
        choice=SkyChoice(scale=64),
        sigma=constant(1, data.shape),
        denoised=denoised,
        fwhm=4.0,
    )
    sky = drain(steps)
    whole = sky_of(data, 64, denoised=denoised)
    np.testing.assert_array_equal(np.asarray(sky.mesh), np.asarray(whole.mesh))
    assert tallest <= 64 + 8


@pytest.mark.parametrize("denoised", [True, False])
def test_a_wide_plane_is_read_by_a_few_cells_at_once(denoised, monkeypatch):
    data = (10 + stars(500, 4.0, 512) + smooth_noise(512)).astype(np.float32)
    whole = sky_of(data, 64, denoised=denoised)
    monkeypatch.setattr(sky_nodes, "_AT_ONCE", 2 * 64 * 64)
    widest = 0

    def read(rows, cols):
        nonlocal widest
        widest = max(widest, cols.stop - cols.start)
        return data[rows, cols]

    sky = estimate_sky(
        LazyPlane(data.shape, read),
        np.zeros(data.shape, np.uint8),
        choice=SkyChoice(scale=64),
        sigma=constant(1, data.shape),
        denoised=denoised,
        fwhm=4.0,
    )
    np.testing.assert_array_equal(np.asarray(sky.mesh), np.asarray(whole.mesh))
    assert widest <= 2 * 64 + 2 * 4


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([1e-12, 0.3, 1e5, 1e12]),
    st.sampled_from([0.0, 3.0, -40.0]),
    st.booleans(),
)
def test_the_sky_follows_unit_and_level(factor, level, denoised):
    data = (20 + stars(500, 4.0, 200) + smooth_noise(200)).astype(np.float32)
    plain = np.asarray(sky_of(data, 64, denoised=denoised).mesh)
    moved = factor * (data.astype(np.float64) + level)
    other = sky_of(moved, 64, denoised=denoised, sigma=factor)
    np.testing.assert_allclose(
        np.asarray(other.mesh) / factor, plain + level, rtol=1e-4, atol=2e-3
    )


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 80),
    st.booleans(),
    st.booleans(),
)
def test_any_shape_gives_a_finite_sky(ny, nx, side, denoised, holes):
    data = np.random.default_rng(0).standard_normal((ny, nx)) + 5
    if holes:
        data[::2] = np.nan
    sky = sky_of(data, side, denoised=denoised, fwhm=float("nan"))
    assert np.isfinite(np.asarray(sky.mesh)).all()
    assert sky.description.isascii()
    assert len(sky.description) <= 68
    auto = chosen(data)[0]
    assert auto.scale is None or auto.scale >= 256


def test_a_constant_frame_has_the_sky_of_its_value():
    choice, image, scale = chosen(np.full((300, 300), 7.25))
    sky = estimate_sky(
        image.data,
        image.flags,
        choice=choice,
        sigma=scale.sigma,
        denoised=True,
        fwhm=scale.fwhm,
    )
    np.testing.assert_allclose(np.asarray(sky.mesh), 7.25, rtol=1e-6)


@pytest.mark.skipif(not DATA.exists(), reason="needs the shared data")
@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("sdss_m2/frame-r-002583-2-0136.fits.bz2", None),
        ("cfhtls/CFHTLS-test_r.fits", None),
        ("cfhtls/CFHTLS-test_g.fits", None),
        ("decam_pairs/DEC-OBS18a.mini.fits", None),
        ("decam_legacysurvey/testcase8_c4d_171113_060340_ooi_r_ls9.N6.fits", 256),
        ("eso085/aligned_eso085-030-004.fit", 256),
    ],
)
def test_auto_on_real_frames(name, scale):
    with fits.open(DATA / name) as hdus:
        data = next(h.data for h in hdus if h.is_image and h.data is not None)
        choice = chosen(np.array(data, np.float32))[0]
    assert (choice.scale, choice.constant) == (scale, False)


@pytest.mark.parametrize("slope", [0.5, 1.5, 3.0])
def test_a_steep_gradient_is_followed_on_a_denoised_image(slope):
    """Sigma per cell: the first guess is too low there, and must not mask the sky."""
    n, side = 512, 64
    rng = np.random.default_rng(8)
    x = np.arange(n) / side * slope
    sky = np.broadcast_to(x, (n, n)).astype(np.float32)
    light = stars(200, 4.0, n, seed=8)
    plane = sky + light + ndimage.gaussian_filter(rng.normal(0, 0.5, (n, n)), 2)
    got = estimate_sky(
        plane.astype("f4"), np.zeros((n, n), np.uint8), choice=SkyChoice(scale=side),
        sigma=constant(1.0, (n, n)), denoised=True, fwhm=4.0,
    )  # fmt: skip
    off = np.asarray(got.mesh) - sky
    assert np.sqrt(np.mean(off**2)) < 0.15
    assert not any("interpolated" in notice for notice in got.notices)
