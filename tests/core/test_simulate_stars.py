"""Fields of stars: every truth is what it says."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from bgrem_core.errors import UsageError
from bgrem_core.simulate.nebula import draw_galaxies
from bgrem_core.simulate.starlight import StarPsf, add_stars
from bgrem_core.simulate.stars import (
    PRESETS,
    StarFieldSettings,
    draw_star_field,
    preset,
)

ARRAYS = ("image", "starless", "clean", "starlight", "nebula", "galaxy_light",
          "streak_light", "sigma")  # fmt: skip


@cache
def field(name, seed=1, side=192):
    settings = preset(name, (side, side))
    return draw_star_field(np.random.default_rng(seed), (side, side), settings)


def test_equal_seeds_give_equal_fields_and_others_do_not():
    a, b, c = (
        draw_star_field(np.random.default_rng([5, k]), (48, 64), preset("D", (48, 64)))
        for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.starless, b.starless)
    assert not np.array_equal(a.image, c.image)


@pytest.mark.parametrize("name", list(PRESETS))
def test_shapes_and_types_are_those_that_are_said(name):
    f = field(name)
    n = PRESETS[name].channels
    for array in ARRAYS:
        assert getattr(f, array).shape == (n, 192, 192)
        assert getattr(f, array).dtype == np.float32
    assert f.stars.flux.shape == (n, len(f.stars))
    assert (np.diff(f.stars.flux[0]) <= 0).all()


@pytest.mark.parametrize("name", list(PRESETS))
def test_outside_of_stars_image_and_starless_scene_are_the_same_bits(name):
    f = field(name)
    outside = f.starlight == 0
    np.testing.assert_array_equal(f.image[outside], f.starless[outside])
    # And under stars there is more than the starless scene, never less.
    assert ((f.image >= f.starless) | f.saturated).all()
    assert (f.image[~outside] > f.starless[~outside]).mean() > 0.1


def test_noise_of_image_and_starless_scene_is_that_of_their_light():
    f = field("B", side=256)
    off = (f.starless - f.clean) / f.sigma
    assert off.std() == pytest.approx(1, abs=0.02)
    assert abs(off.mean()) < 0.02
    light = f.starlight > 1
    excess = (f.image - f.starless - f.starlight)[light] / np.sqrt(f.starlight[light])
    assert excess.std() == pytest.approx(1, abs=0.03)
    assert abs(excess.mean()) < 0.03


def test_the_clean_scene_is_the_sum_of_its_light():
    for name in ("D", "S", "RGB"):
        f = field(name)
        total = 200 + f.nebula + f.galaxy_light + f.streak_light
        np.testing.assert_allclose(f.clean, total, rtol=1e-5)


def test_stars_saturate_at_the_level_and_only_where_there_is_light():
    f = field("C", seed=4, side=256)
    level = PRESETS["C"].saturation
    assert f.saturated.any()
    np.testing.assert_array_equal(f.saturated, (f.image == level)[0])
    assert f.starlight[0][f.saturated].min() > 0.9 * level - f.clean.max()


def test_the_footprint_is_where_starlight_exceeds_the_noise():
    f = field("RGB")
    np.testing.assert_array_equal(f.footprint, (f.starlight > f.sigma).any(axis=0))
    assert 0 < f.footprint.mean() < 0.5


@pytest.mark.parametrize("fwhm", [1.2, 3.0, 4.5])
def test_a_star_has_its_flux_place_and_width(fwhm):
    image = np.zeros((241, 241))
    psf = StarPsf(fwhm=fwhm, beta=3.2)
    e = (np.zeros(1), np.zeros(1))
    add_stars(image, psf, np.array([120.3]), np.array([119.6]), np.array([1e6]), e)
    y, x = np.mgrid[:241, :241]
    assert image.sum() == pytest.approx(1e6, rel=0.01)
    assert (image * x).sum() / image.sum() == pytest.approx(120.3, abs=0.01)
    assert (image * y).sum() / image.sum() == pytest.approx(119.6, abs=0.01)
    if fwhm >= 3:
        half = psf.density(np.array([0.0, fwhm / 2]), np.zeros(2))
        assert half[1] / half[0] == pytest.approx(0.5, abs=1e-6)


def test_halo_and_spikes_keep_the_flux_and_spikes_point_where_they_are_told():
    psf = StarPsf(fwhm=3, beta=3.2, halo=0.05, spikes=0.05, spike_angle=0.0)
    y, x = np.mgrid[-400:401, -400:401].astype(float)
    light = psf.density(x, y)
    assert light.sum() == pytest.approx(1, abs=0.01)
    assert light[400, 440] > 3 * light[430, 430]
    assert light[440, 400] == pytest.approx(light[400, 440])


def test_a_galaxy_has_its_flux_and_half_of_it_within_its_radius():
    settings = dataclasses.replace(
        PRESETS["D"], galaxies=1, galaxy_radius=(5.0, 5.001), galaxy_flux=(1e4, 1.001e4)
    )
    for seed in range(6):
        image, truth = draw_galaxies(np.random.default_rng(seed), (200, 200), settings)
        if 60 < truth.x[0] < 140 and 60 < truth.y[0] < 140:
            break
    y, x = np.mgrid[:200, :200]
    c, s = np.cos(truth.angle[0]), np.sin(truth.angle[0])
    dx, dy = x - truth.x[0], y - truth.y[0]
    r = np.hypot(c * dx + s * dy, (c * dy - s * dx) / truth.axis_ratio[0])
    assert image.sum() == pytest.approx(1e4, rel=2e-3)
    assert image[r < 5].sum() / image.sum() == pytest.approx(0.5, abs=0.06)


def test_streaks_run_through_stars_at_the_height_that_was_drawn():
    f = field("S", seed=3, side=256)
    assert len(f.streaks) == 2
    peak = f.streak_light.max()
    assert 0.9 < peak / np.sqrt(225) < 21
    crossed = f.streak_light[0][f.footprint]
    assert (crossed > 0.5 * np.sqrt(225)).any()


def test_presets_scale_with_the_frame():
    assert preset("B", (256, 256)).stars == 375
    assert preset("S", (64, 64)).streaks == 1
    with pytest.raises(UsageError, match="preset 'Z' is not known"):
        preset("Z")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"stars": -1}, "stars=-1 must not be negative"),
        ({"flux": (10.0, 1.0)}, "flux=10, 1 is no range"),
        ({"halo": 0.6, "spikes": 0.5}, "leave the core no light"),
        ({"stars": 10**8}, "stars=100000000 must be at most"),
    ],
)
def test_settings_that_nothing_can_be_drawn_from_are_refused(change, sentence):
    with pytest.raises(UsageError, match=sentence):
        StarFieldSettings(**change)
