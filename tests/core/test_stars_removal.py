"""Stars removed from arrays: what holds for any image, and figures on known scenes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree

from bgrem_core.errors import ImageError
from bgrem_core.simulate.stars import draw_star_field, preset
from bgrem_core.stars.options import StarOptions
from bgrem_core.stars.remove import iter_remove, remove

SIDE = 256


@cache
def field(name, seed=1, side=SIDE, **changes):
    chosen = replace(preset(name, (side, side)), **dict(changes))
    return draw_star_field(np.random.default_rng([seed, side]), (side, side), chosen)


@cache
def removed(name, seed=1, side=SIDE):
    return run(field(name, seed, side).image)


def run(image, bad=None, **options):
    bad = np.zeros(image.shape[1:], bool) if bad is None else bad
    return remove(image, bad, StarOptions(**options))


def psnr(image, truth):
    truth = truth.astype(np.float64)
    span = np.quantile(truth, 0.999) - truth.min()
    return 20 * np.log10(span / np.sqrt(np.mean((image - truth) ** 2)))


def check_sum(image, result):
    """Both parts sum to the image, and nothing outside of the support is touched."""
    image = image.astype(np.float32)
    np.testing.assert_array_equal(result.support, (result.stars != 0).any(axis=0))
    np.testing.assert_array_equal(
        result.starless[:, ~result.support], image[:, ~result.support]
    )
    assert not (result.filled & ~result.support).any()
    finite = np.isfinite(image)
    np.testing.assert_array_equal(np.isfinite(result.starless), finite)
    assert np.isfinite(result.stars).all()
    whole = (result.starless.astype(np.float64) + result.stars)[finite]
    step = np.spacing(np.maximum(np.abs(image), np.abs(result.stars))[finite])
    assert (np.abs(whole - image[finite]) <= step).all()


@pytest.mark.parametrize("name", ["A", "B", "C", "D", "E", "S", "RGB"])
def test_parts_sum_to_the_image_and_nothing_else_is_touched(name):
    result = removed(name)
    check_sum(field(name).image, result)
    assert result.support.any()
    assert result.method == "psf"
    assert (~result.table.left).sum() >= 3


# Below what scenes that nothing was chosen on gave; doing nothing gives 5 to 25 dB.
@pytest.mark.parametrize(
    ("name", "least"),
    [("A", 40.0), ("B", 34.0), ("C", 34.0), ("D", 37.0), ("E", 34.0)],
)
def test_starless_scene_is_near_the_truth(name, least):
    f, result = field(name), removed(name)
    assert psnr(result.starless[0], f.starless[0]) > least
    assert psnr(f.image[0], f.starless[0]) < least - 10
    off = (result.starless[0] - f.starless[0].astype(np.float64))[f.footprint]
    assert off.sum() < 0.1 * f.starlight[0][f.footprint].sum()


def test_fluxes_and_places_of_isolated_stars_are_true():
    settings_ = {"nebula": 0.0, "stars": 40, "flux": (5e3, 2e5), "ellipticity": 0.0}
    f = field("A", 3, 320, **settings_)
    result = run(f.image)
    stars, table = f.stars, result.table
    alone = KDTree(np.c_[stars.x, stars.y]).query(np.c_[stars.x, stars.y], 2)[0][:, 1]
    inside = (np.minimum(stars.x, stars.y) > 15) & (np.maximum(stars.x, stars.y) < 305)
    near, at = KDTree(np.c_[table.x, table.y]).query(np.c_[stars.x, stars.y])
    some = (alone > 20) & inside
    assert some.sum() > 10
    assert near[some].max() < 0.15
    ratio = table.flux[0][at][some] / stars.flux[0][some]
    # The common factor is the light of the PSF beyond its stamp.
    assert np.median(ratio) == pytest.approx(1, abs=0.06)
    assert np.std(ratio / np.median(ratio)) < 0.02
    assert not table.left[at[some]].any()


def test_galaxies_keep_their_light():
    f, result = field("D", 5), removed("D", 5)
    y, x = np.mgrid[:SIDE, :SIDE]
    change = []
    for k in range(len(f.galaxies)):
        radius = max(2.5 * f.galaxies.radius[k], 4)
        disc = np.hypot(x - f.galaxies.x[k], y - f.galaxies.y[k]) < radius
        off = result.starless[0][disc].astype(np.float64) - f.starless[0][disc]
        change.append(off.sum() / f.galaxy_light[0][disc].sum())
    assert len(change) >= 5
    assert np.sum(np.array(change) < -0.1) <= 1
    assert np.median(np.abs(change)) < 0.005


def test_streaks_through_stars_keep_their_light():
    f, result = field("S", 2), removed("S", 2)
    weight = f.streak_light[0].astype(np.float64)
    off = result.starless[0].astype(np.float64) - f.starless[0]
    assert 1 + (off * weight).sum() / (weight**2).sum() > 0.95
    assert (f.footprint & (weight > 15)).any()


@pytest.mark.parametrize(
    ("scale", "offset"), [(1e-9, 0), (1e6, 0), (-1.0, 0), (1, -1000), (0.37, 12.5)]
)
def test_unit_and_pedestal_do_not_matter(scale, offset):
    image = field("A").image.astype(np.float64)
    plain = removed("A")
    result = run(scale * image + offset)
    if scale < 0:
        # A negative has no stars, and is left as it is.
        assert (~result.table.left).sum() < 5
        return
    np.testing.assert_array_equal(result.filled, plain.filled)
    assert np.mean(result.support != plain.support) < 1e-3
    np.testing.assert_allclose(
        result.stars / scale, plain.stars, atol=3e-6 * plain.stars.max()
    )


def test_a_wrong_width_costs_little():
    f = field("A", 7)
    right = psnr(run(f.image).starless[0], f.starless[0])
    for told in (1.5, 2.0, 4.5):
        result = run(f.image, fwhm=told)
        assert psnr(result.starless[0], f.starless[0]) > right - 2
        assert "was told, but stars are" in result.notices[0]


def test_amount_scales_the_stars():
    image = field("B", 1, 96).image
    whole, half = run(image), run(image, amount=0.5)
    np.testing.assert_allclose(half.stars, 0.5 * whole.stars, rtol=1e-6)
    check_sum(image, half)
    nothing = run(image, amount=0.0)
    np.testing.assert_array_equal(nothing.starless, image)
    assert not nothing.support.any()


def test_noise_is_given_where_asked_for_and_only_there():
    f = field("C", 3)
    plain, noisy = run(f.image), run(f.image, noise=True)
    check_sum(f.image, noisy)
    np.testing.assert_array_equal(plain.filled, noisy.filled)
    changed = plain.stars != noisy.stars
    assert changed[0][plain.filled].mean() > 0.99
    assert not changed[0][~plain.support].any()
    sigma = np.std(
        (noisy.stars - plain.stars)[0][plain.filled] / f.sigma[0][plain.filled]
    )
    assert sigma == pytest.approx(1, abs=0.25)
    np.testing.assert_array_equal(noisy.stars, run(f.image, noise=True).stars)
    assert (noisy.stars != run(f.image, noise=True, seed=1).stars).any()


def test_planes_share_places_and_filled_pixels_but_not_fluxes():
    f, result = field("RGB", 4), removed("RGB", 4)
    table = result.table
    assert table.flux.shape == (3, len(table))
    near, at = KDTree(np.c_[f.stars.x, f.stars.y]).query(np.c_[table.x, table.y])
    some = (near < 0.5) & ~table.left & (table.snr > 45)
    assert some.sum() >= 3
    colour = table.flux[1, some] / table.flux[0, some]
    truth = (f.stars.flux[1] / f.stars.flux[0])[at[some]]
    np.testing.assert_allclose(colour, truth, rtol=0.15)
    before = [psnr(f.image[k], f.starless[k]) for k in range(3)]
    after = [psnr(result.starless[k], f.starless[k]) for k in range(3)]
    assert (np.array(after) > np.array(before) + 12).all()


def test_saturated_stars_are_found_without_being_told_the_level():
    f = field("C", 3)
    result = run(f.image)
    assert f.saturated.any()
    assert result.filled[f.saturated].all()
    table = result.table
    held = table.saturated & ~table.left
    assert held.any()
    near, at = KDTree(np.c_[f.stars.x, f.stars.y]).query(
        np.c_[table.x[held], table.y[held]]
    )
    assert (near < 1).all()
    ratio = table.flux[0][held] / f.stars.flux[0][at]
    assert ((ratio > 0.75) & (ratio < 1.3)).all()


def test_an_image_without_stars_keeps_its_bits():
    image = np.random.default_rng(3).normal(10, 2, (1, 96, 80)).astype(np.float32)
    result = run(image)
    np.testing.assert_array_equal(result.starless, image)
    assert not result.support.any()
    assert result.method == "none"
    assert "no star was found" in result.notices


@pytest.mark.parametrize("value", [0.0, 7.25, -3.0])
def test_a_constant_image_keeps_its_bits(value):
    image = np.full((2, 40, 30), value, np.float32)
    result = run(image)
    np.testing.assert_array_equal(result.starless, image)
    assert result.notices == ("every pixel is the same: there are no stars",)


def test_only_stars_on_an_empty_sky():
    f = field("B", 2, 128, nebula=0.0, sky=1e-3, read_noise=0.0, stars=100)
    result = run(f.image)
    check_sum(f.image, result)
    assert np.abs(result.starless).sum() < 0.1 * np.abs(f.image).sum()


@pytest.mark.parametrize("fwhm", [1.0, 1.4])
def test_undersampled_stars_are_removed_with_a_notice(fwhm):
    f = field("A", 5, SIDE, fwhm=fwhm)
    result = run(f.image)
    check_sum(f.image, result)
    assert psnr(result.starless[0], f.starless[0]) > 30
    if result.fwhm < 1.5:
        assert "pixels wide: more of them is filled" in result.notices[0]


def test_a_field_of_saturated_stars_only():
    f = field("A", 6, SIDE, stars=12, flux=(2e6, 5e6))
    result = run(f.image)
    check_sum(f.image, result)
    gain = psnr(result.starless[0], f.starless[0]) - psnr(f.image[0], f.starless[0])
    assert gain > 25


def test_missing_blocks_stay_missing_and_harm_nothing_else():
    image = field("A").image.copy()
    image[0, 100:140, 60:90] = np.nan
    image[0, 5, 5] = np.inf
    result = run(image)
    check_sum(image, result)
    bits = result.starless.view(np.uint32)[~np.isfinite(image)]
    np.testing.assert_array_equal(bits, image.view(np.uint32)[~np.isfinite(image)])
    far = np.ones((SIDE, SIDE), bool)
    far[60:180, 20:130] = False
    ours, plain = result.starless[0][far], removed("A").starless[0][far]
    ours, plain = (
        np.where(np.isfinite(ours), ours, 0),
        np.where(np.isfinite(ours), plain, 0),
    )
    assert np.sqrt(np.mean((ours - plain) ** 2)) < 0.3 * np.median(field("A").sigma)


def test_bad_pixels_are_not_changed():
    image = field("B", 1, 128).image
    bad = np.zeros((128, 128), bool)
    bad[40:60] = True
    result = run(image, bad)
    np.testing.assert_array_equal(result.starless[:, bad], image[:, bad])
    assert result.support[~bad].any()


def test_everything_bad_is_left_alone():
    image = field("B", 1, 96).image
    result = run(image, np.ones((96, 96), bool))
    np.testing.assert_array_equal(result.starless, image)
    assert not result.support.any()


def test_too_few_stars_for_a_psf_are_masked_and_filled():
    f = field("A", 8, 128, stars=2, flux=(3e4, 4e4), nebula=0.0)
    result = run(f.image)
    check_sum(f.image, result)
    assert result.method == "mask"
    assert "are fit to measure the PSF on" in result.notices[-1]
    assert psnr(result.starless[0], f.starless[0]) > psnr(f.image[0], f.starless[0]) + 5


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    shape=st.tuples(st.integers(1, 48), st.integers(1, 48)),
    planes=st.integers(1, 2),
    seed=st.integers(0, 1000),
    missing=st.floats(0, 0.6),
    method=st.sampled_from(["psf", "mask"]),
    offset=st.sampled_from([0.0, -1e4, 1e5]),
)
def test_any_small_image_is_parted_without_harm(
    shape, planes, seed, missing, method, offset
):
    chosen = replace(preset("B", shape), channels=planes, stars=10)
    rng = np.random.default_rng(seed)
    image = draw_star_field(rng, shape, chosen).image + np.float32(offset)
    image[:, rng.random(shape) < missing] = np.nan
    check_sum(image, run(image, method=method))


def test_the_work_can_be_followed_and_stopped():
    image = field("B", 1, 96).image
    steps = iter_remove(image, np.zeros((96, 96), bool), StarOptions())
    seen = [next(steps) for _ in range(3)]
    assert [s.stage for s in seen] == ["stars"] * 3
    assert [s.done for s in seen] == [0, 1, 2]
    steps.close()


def test_what_does_not_fit_is_refused():
    image = np.zeros((1, 20, 20), np.float32)
    with pytest.raises(ImageError, match=r"shape \(20, 20\) and a mask"):
        remove(image[0], np.zeros((20, 20), bool))
    with pytest.raises(ImageError, match=r"mask of shape \(20, 19\)"):
        remove(image, np.zeros((20, 19), bool))
