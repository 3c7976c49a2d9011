"""The two real methods, end to end on small frames."""

import numpy as np
import pytest

import bgrem_core
from bgrem_core.errors import ImageError, ModelError, UsageError
from bgrem_core.image import MaskBit

rng = np.random.default_rng(11)


def star_field(shape=(220, 260), stars=40, sigma=5.0, level=300.0, fwhm=3.5, seed=5):
    """Give (frame, noise-free sources) with a gradient under them."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    s = fwhm / 2.3548
    sources = np.zeros(shape)
    for _ in range(stars):
        cy, cx = draw.uniform(0, shape[0]), draw.uniform(0, shape[1])
        peak = 10 ** draw.uniform(1, 3)
        sources += peak * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * s * s))
    sky = level * (1 + 0.1 * x / shape[1])
    frame = sources + sky + draw.normal(0, sigma, shape)
    return frame.astype(np.float32), sources


@pytest.fixture(scope="module")
def field():
    return star_field()


@pytest.fixture(scope="module")
def cleaned(field):
    return bgrem_core.clean(field[0], sky_scale=64)


def test_noise_and_sky_are_taken_away_and_stars_are_kept(field, cleaned):
    _, sources = field
    blank = sources < 0.05
    assert np.std(cleaned.cleaned[blank]) < 0.25 * 5
    assert abs(np.median(cleaned.cleaned[blank])) < 0.1 * 5
    bright = sources > 100
    ratio = cleaned.cleaned[bright].sum() / sources[bright].sum()
    assert ratio == pytest.approx(1, abs=0.03)


def test_parts_are_sky_and_noise_in_order(cleaned):
    assert list(cleaned.parts) == ["sky", "noise"]
    assert cleaned.provenance.method == "bgrem"
    assert len(cleaned.provenance.model_sha256) == 64
    assert cleaned.provenance.norm == pytest.approx(1 / 5, rel=0.05)


@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e12])
def test_the_result_scales_with_the_image(field, cleaned, factor):
    scaled = bgrem_core.clean(field[0] * np.float32(factor), sky_scale=64)
    difference = scaled.cleaned / factor - cleaned.cleaned
    assert abs(difference).max() < 1e-3 * 5 + 1e-4 * abs(cleaned.cleaned).max()


def test_an_added_offset_goes_into_the_sky(field, cleaned):
    shifted = bgrem_core.clean(field[0] + np.float32(1000), sky_scale=64)
    assert abs(shifted.cleaned - cleaned.cleaned).max() < 0.05 * 5
    assert np.median(shifted.sky - cleaned.sky) == pytest.approx(1000, abs=0.1)


def test_tile_size_makes_no_difference(field, cleaned):
    small = bgrem_core.clean(field[0], sky_scale=64, tile=160)
    assert abs(small.cleaned - cleaned.cleaned).max() < 2e-3 * 5


def test_values_under_the_mask_change_nothing(field):
    frame, _ = field
    mask = np.zeros(frame.shape, bool)
    mask[100:104, 50:120] = True
    one, two = frame.copy(), frame.copy()
    one[mask], two[mask] = 1e6, -1e6
    a, b = (
        bgrem_core.clean(bgrem_core.open_image(f, mask=mask), sky_scale=64)
        for f in (one, two)
    )
    np.testing.assert_array_equal(a.cleaned[~mask], b.cleaned[~mask])
    assert (a.noise[mask] == 0).all()
    assert (a.flags[mask] & MaskBit.USER).all()


def test_nan_stays_nan_and_does_not_spread(field, cleaned):
    frame = field[0].copy()
    frame[60:70, 80:95] = np.nan
    frame[10, 10] = np.inf
    result = bgrem_core.clean(frame, sky_scale=64)
    bad = ~np.isfinite(frame)
    assert np.isnan(result.cleaned[60:70, 80:95]).all()
    assert np.isinf(result.cleaned[10, 10])
    assert np.isfinite(result.cleaned[~bad]).all()
    assert (result.flags[bad] == MaskBit.NON_FINITE).all()
    far = np.ones(frame.shape, bool)
    far[:140, :170] = False
    assert abs(result.noise - cleaned.noise)[far].max() < 0.15 * 5


def test_the_same_settings_give_the_same_bits(field, cleaned):
    again = bgrem_core.clean(field[0], sky_scale=64)
    assert again.cleaned.tobytes() == cleaned.cleaned.tobytes()


def test_strength_is_the_share_of_the_noise(field, cleaned):
    half = bgrem_core.clean(field[0], sky_scale=64, strength=0.5)
    np.testing.assert_allclose(half.noise, cleaned.noise / 2, rtol=1e-6)
    np.testing.assert_array_equal(half.sky, cleaned.sky)
    none = bgrem_core.clean(field[0], sky_scale=64, strength=0.0)
    np.testing.assert_array_equal(none.cleaned, none.image.data - none.sky)


def test_minimum_touches_only_what_the_network_sees(field):
    result = bgrem_core.clean(field[0], sky_scale=64, minimum=310.0)
    np.testing.assert_array_equal(result.image.data, field[0])
    total = result.cleaned + result.residual
    np.testing.assert_allclose(total, field[0], rtol=1e-6)


@pytest.mark.parametrize("method", ["bgrem", "mesh"])
def test_a_constant_frame_has_no_noise_and_says_so(method):
    result = bgrem_core.clean(np.full((64, 80), 7.0), method=method, sky_scale=32)
    assert (result.noise == 0).all()
    np.testing.assert_allclose(result.cleaned, 0, atol=1e-5)
    assert any("noise" in n for n in result.notices)


@pytest.mark.parametrize("shape", [(16, 16), (16, 300), (33, 17)])
@pytest.mark.parametrize("method", ["bgrem", "mesh"])
def test_small_frames_are_cleaned(method, shape):
    frame = np.random.default_rng(1).normal(10, 1, shape)
    result = bgrem_core.clean(frame, method=method)
    assert result.cleaned.shape == shape
    assert np.isfinite(result.cleaned).all()


def test_a_frame_below_16_pixels_is_refused():
    with pytest.raises(ImageError, match="too small"):
        bgrem_core.clean(np.zeros((15, 100)))


def test_planes_of_a_colour_image_are_cleaned_one_by_one(field):
    rgb = np.stack([field[0], 2 * field[0], 3 * field[0]])
    result = bgrem_core.clean(rgb, method="mesh", sky_scale=64)
    assert result.stack.kind == "rgb"
    first, third = result.planes[0].cleaned, result.planes[2].cleaned
    np.testing.assert_allclose(third, 3 * first, atol=0.5)


def test_unknown_methods_and_settings_are_named():
    with pytest.raises(UsageError, match=r"method 'magic' is not known.*bgrem"):
        bgrem_core.clean(np.zeros((20, 20)), method="magic")
    with pytest.raises(UsageError, match="setting 'colour' is not known"):
        bgrem_core.clean(np.zeros((20, 20)), colour=3)
    with pytest.raises(ModelError):
        bgrem_core.clean(np.zeros((20, 20)), model="no-such-model")


def test_the_joint_objective_takes_noise_and_sky_at_once(field, monkeypatch):
    import dataclasses

    from bgrem_core.methods import bgrem

    real = bgrem_core.load_model("optical", device="cpu")

    class Joint:
        """Calls everything below 8 sigma background."""

        card = dataclasses.replace(real.card, objective="joint", calibration={})
        radius, pooling, sha256, notices = 0, 1, "", []

        def denoise(self, z, level, *, rho, sigma_e):
            return np.where(z < 8, z, 0).astype(np.float32)

    monkeypatch.setattr(bgrem, "load_model", lambda *a, **k: Joint())
    result = bgrem_core.clean(field[0], steps=1)
    assert list(result.parts) == ["background"]
    np.testing.assert_allclose(result.cleaned + result.residual, field[0], rtol=1e-6)
    blank = field[1] < 0.05
    assert np.median(abs(result.cleaned[blank])) < 0.1
    # Fluxes are measured where the network did not touch them.
    assert np.std(np.asarray(result.photometric)[blank]) == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("dtype", [">f4", "<f8", ">i2", "<u2", ">i4", "f2"])
def test_type_and_byte_order_make_no_difference(dtype):
    frame = np.random.default_rng(2).integers(80, 120, (64, 64)).astype(dtype)
    expected = bgrem_core.clean(frame.astype("<f4"), sky_scale=32)
    result = bgrem_core.clean(frame, sky_scale=32)
    np.testing.assert_array_equal(result.cleaned, expected.cleaned)
    assert result.cleaned.dtype == np.dtype("<f4")


def test_noise_is_taken_off_bright_extended_light_too():
    y, x = np.mgrid[:256, :256]
    galaxy = 700 * np.exp(-np.hypot(y - 128, x - 128) / 25)
    draw = np.random.default_rng(8)
    noise = draw.normal(size=galaxy.shape) * np.sqrt(25 + galaxy / 4)
    frame = (galaxy + 100 + noise).astype(np.float32)
    result = bgrem_core.clean(frame, sky_scale="none", gain=4.0)
    inner = (galaxy > 100) & (galaxy < 500)
    left = result.cleaned - 100 - galaxy
    assert np.std(left[inner]) < 0.3 * np.std(noise[inner])
    assert abs(np.mean(left[inner])) < 0.05 * np.std(noise[inner])
