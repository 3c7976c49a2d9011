import dataclasses

import numpy as np
import pytest

from bgrem_core.errors import UsageError
from bgrem_core.simulate.satellite_settings import SatelliteSettings
from bgrem_core.simulate.satellites import (
    draw_exposure,
    draw_frame,
    read_out,
    white_noise,
)
from bgrem_core.simulate.trails import Trails, trail
from bgrem_core.zscale import normalise

QUIET = SatelliteSettings(
    density=0, gradient=0, bowl=0, cloud=0, prnu=0, dark=0, hot=0, targets=0,
    rows=(0, 0), columns=(0, 0), sky=(19, 19), exposures=(1.0,),
)  # fmt: skip
PARTS = ("sky", "stars", "fixed", "pattern", "targets", "noise", "lost")
OLD = (187.00342, 198.31854, 170.93741, 179.77968, 187.71466, 234.63013, 229.61829,
       238.75441)  # fmt: skip
RICH = SatelliteSettings(
    cloud=0.5, targets=2, fast=0.3, amplifiers=(2, 4), amplifier_offset=(0.2, 0.5),
    amplifier_gain=0.01, amplifier_rows=0.4, glow=0.7, saturating=0.8,
    full_well=(500, 3000), density=2e4,
)  # fmt: skip


def quiet(**changes):
    return dataclasses.replace(QUIET, **changes)


def one(x=0.0, y=0.0, flux=1000.0, length=0.0, angle=0.0):
    row = (np.array([float(v)]) for v in (x, y, flux, length, angle))
    return Trails(**dict(zip(("x", "y", "flux", "length", "angle"), row, strict=True)))


def moments(image):
    """Return centre, rms along and across, direction in degrees."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image / image.sum()
    cx, cy = (weight * x).sum(), (weight * y).sum()
    xx, yy = (weight * (x - cx) ** 2).sum(), (weight * (y - cy) ** 2).sum()
    xy = (weight * (x - cx) * (y - cy)).sum()
    value, vector = np.linalg.eigh([[xx, xy], [xy, yy]])
    angle = np.degrees(np.arctan2(vector[1, 1], vector[0, 1])) % 180
    return (cx, cy), np.sqrt(value[::-1]), angle


def test_equal_seeds_give_equal_frames_and_others_do_not():
    a, b, c = (draw_frame(np.random.default_rng([1, k]), (64, 48)) for k in (0, 0, 1))
    np.testing.assert_array_equal(a.raw, b.raw)
    assert not np.array_equal(a.raw, c.raw)
    assert a.raw.shape == (64, 48)
    assert {getattr(a, name).dtype for name in (*PARTS, "raw")} == {np.dtype("f4")}


def test_the_frames_that_older_recipes_name_are_the_same():
    # Made before there were amplifiers, glow and full wells.
    frame = draw_frame(np.random.default_rng([3, 1]), (32, 48))
    np.testing.assert_allclose(np.diag(frame.raw)[::4], OLD, rtol=1e-5)
    assert not frame.lost.any()
    assert not frame.readout.components["amplifiers"].any()


@pytest.mark.parametrize("settings", [SatelliteSettings(), RICH], ids=["plain", "rich"])
def test_the_components_of_a_frame_sum_to_it(settings):
    names = {
        "level", "gradient", "cloud", "stars", "sensitivity", "dark", "hot", "glow",
        "rows", "columns", "amplifiers", "photons", "read", "targets", "lost",
    }  # fmt: skip
    seen = set()
    for k in range(8):
        frame = draw_frame(np.random.default_rng([17, k]), (64, 80), settings)
        parts = frame.components()
        assert set(parts) == names
        assert {p.shape for p in parts.values()} == {(64, 80)}
        assert {p.dtype for p in parts.values()} == {np.dtype("f4")}
        total = sum(p.astype(np.float64) for p in parts.values())
        np.testing.assert_allclose(frame.raw, total, rtol=1e-5, atol=2e-2)
        seen |= {name for name, part in parts.items() if part.any()}
    if settings is RICH:
        assert seen == names


@pytest.mark.parametrize("settings", [SatelliteSettings(), RICH], ids=["plain", "rich"])
def test_the_parts_of_a_frame_sum_to_it(settings):
    for k in range(6):
        frame = draw_frame(np.random.default_rng([2, k]), settings=settings)
        total = sum(getattr(frame, name).astype(np.float64) for name in PARTS)
        np.testing.assert_allclose(frame.raw, total, rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(
            frame.systematics(), total - frame.targets - frame.noise, rtol=1e-5,
            atol=1e-2,
        )  # fmt: skip


@pytest.mark.parametrize("length", [3.0, 11.3, 20.0])
@pytest.mark.parametrize("angle", [0.0, 35.0, 120.0])
def test_a_trail_has_its_flux_place_length_and_direction(length, angle):
    image = np.zeros((81, 91), np.float32)
    trail(image, one(44.3, 40.6, 1000, length, angle), sigma=0.85)
    assert image.sum() == pytest.approx(1000, rel=1e-3)
    centre, spread, seen = moments(image.astype(float))
    assert centre == pytest.approx((44.3, 40.6), abs=0.01)
    assert spread[0] ** 2 == pytest.approx(length**2 / 12 + 0.85**2, rel=0.01)
    assert spread[1] == pytest.approx(0.85, rel=0.01)
    assert (seen - angle + 90) % 180 - 90 == pytest.approx(0, abs=0.3)


def test_a_trail_is_the_sum_of_many_points_on_its_line():
    image, slow = np.zeros((40, 40), np.float32), np.zeros((40, 40))
    trail(image, one(19.2, 20.4, 500, 12, 35), sigma=0.85)
    y, x = np.mgrid[:40, :40]
    for step in np.linspace(-6, 6, 2001):
        x0 = 19.2 + step * np.cos(np.radians(35))
        y0 = 20.4 + step * np.sin(np.radians(35))
        slow += np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 0.85**2))
    slow *= 500 / 2001 / (2 * np.pi * 0.85**2)
    np.testing.assert_allclose(image, slow, atol=2e-3 * slow.max())


def test_a_trail_outside_shines_in_and_does_not_wrap():
    image = np.zeros((32, 32), np.float32)
    trail(image, one(-3, 16, 1000, 10, 0), sigma=0.85)
    assert 50 < image[:, :4].sum() < 500
    assert image[:, -8:].sum() == 0
    trail(image, one(-90, 16, 1e9, 10, 0), sigma=0.85)
    assert image.sum() < 500


@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_the_stars_of_a_frame_trail_as_far_as_they_move(seconds):
    exposure = draw_exposure(
        np.random.default_rng(3), (64, 64), quiet(density=1500, exposures=(seconds,))
    )
    assert exposure.length == pytest.approx(15.04 * seconds / 1.5)
    assert 34.5 <= exposure.angle <= 35.5
    assert set(exposure.trails.angle) == {exposure.angle}
    # Seen in the image: the direction in which it resembles itself.
    power = np.abs(np.fft.fft2(exposure.stars)) ** 2
    auto = np.fft.fftshift(np.fft.ifft2(power).real)[16:49, 16:49]
    near = np.maximum(auto - 0.3 * auto.max(), 0)
    if seconds == 2.0:
        assert moments(near)[2] == pytest.approx(exposure.angle, abs=4)


def test_stars_are_counted_as_asked():
    settings = quiet(exposures=(1.0,), density=1500)
    flux, area = [], 0.0
    for k in range(40):
        exposure = draw_exposure(np.random.default_rng([4, k]), (256, 256), settings)
        t = exposure.trails
        inside = (t.x > -0.5) & (t.x < 255.5) & (t.y > -0.5) & (t.y < 255.5)
        flux.append(t.flux[inside])
        area += (256 * 1.5 / 3600) ** 2
    magnitude = 23 - 2.5 * np.log10(np.concatenate(flux))
    for m in (14, 16, 18):
        wanted = 1500 * 10 ** (0.33 * (m - 16)) * area
        assert np.sum(magnitude < m) == pytest.approx(wanted, abs=4 * np.sqrt(wanted))
    assert magnitude.min() >= 9
    assert magnitude.max() <= 19


def test_the_sky_has_its_surface_brightness():
    frame = draw_frame(np.random.default_rng(5), (64, 64), quiet(sky=(20.5, 20.5)))
    np.testing.assert_allclose(frame.sky, 10 * 1.5**2, rtol=1e-6)
    assert frame.stars.sum() == frame.fixed.sum() == frame.targets.sum() == 0


@pytest.mark.parametrize("sky", [18.0, 20.5])
def test_noise_is_poisson_plus_read_noise(sky):
    settings = quiet(sky=(sky, sky))
    frame = draw_frame(np.random.default_rng(6), (500, 500), settings)
    wanted = frame.sky.mean() + 4.4**2
    assert frame.noise.var() == pytest.approx(wanted, rel=0.015)
    assert frame.white == pytest.approx(np.sqrt(wanted), rel=1e-3)
    assert abs(frame.noise.mean()) < 4 * np.sqrt(wanted) / 500
    counts = frame.raw - frame.sky  # skewed as Poisson numbers are
    third = np.mean((counts - counts.mean()) ** 3)
    assert third == pytest.approx(frame.sky.mean(), rel=0.6)


def test_bright_trails_bring_their_own_noise():
    settings = quiet(density=3e5, magnitudes=(12, 13), exposures=(0.3,))
    frame = draw_frame(np.random.default_rng(7), (256, 256), settings)
    bright = frame.stars > 300
    pull = frame.noise[bright] / np.sqrt(frame.stars + frame.white**2)[bright]
    assert bright.sum() > 500
    assert pull.std() == pytest.approx(1, abs=0.1)


def test_rows_and_columns_have_the_asked_amplitude():
    settings = quiet(rows=(0.6, 0.6), columns=(0.2, 0.2))
    rows, columns, slow = [], [], []
    for k in range(200):
        frame = draw_frame(np.random.default_rng([8, k]), (96, 96), settings)
        rows.append(frame.pattern[:, 0] / frame.white)
        columns.append((frame.pattern[0] - frame.pattern[0].mean()) / frame.white)
        slow.append(np.mean(rows[-1][1:] * rows[-1][:-1]))
        p = frame.pattern
        np.testing.assert_allclose(p, p[:1] + p[:, :1] - p[0, 0], atol=1e-3)
    # The column value of a row is part of it: 0.6 (0.75, 0.65), and 0.2.
    assert np.std(rows) ** 2 == pytest.approx(
        0.36 * (0.75**2 + 0.65**2) + 0.04, rel=0.06
    )
    assert np.std(columns) == pytest.approx(0.2, rel=0.03)
    # Only the slow part is shared by neighbours: exp(-1 / (4 * 4^2)).
    shared = 0.36 * 0.65**2 * np.exp(-1 / 64) + 0.04
    assert np.mean(slow) == pytest.approx(shared, rel=0.15)


def test_pixels_differ_in_dark_current_heat_and_sensitivity():
    hot = draw_frame(
        np.random.default_rng(9), (1000, 1000), quiet(hot=3e-4, hot_charge=60)
    ).fixed
    assert np.sum(hot > 0) == pytest.approx(300, abs=70)
    assert hot[hot > 0].mean() == pytest.approx(60, rel=0.25)
    dark = draw_frame(
        np.random.default_rng(9), (300, 300), quiet(dark=0.02, exposures=(2.0,))
    ).fixed
    assert dark.mean() == pytest.approx(0.04, rel=0.02)
    assert dark.std() == pytest.approx(0.04, rel=0.05)
    frame = draw_frame(np.random.default_rng(9), (300, 300), quiet(prnu=0.006))
    assert (frame.fixed / frame.sky).std() == pytest.approx(0.006, rel=0.02)


def test_sky_gradients_and_cloud_have_the_asked_size():
    slopes, rms = [], []
    for k in range(300):
        sky = draw_exposure(
            np.random.default_rng([10, k]), (32, 32), quiet(gradient=0.08)
        ).sky
        slopes.append((sky[:, -1] - sky[:, 0]).mean() / (2 * sky.mean()))
        sky = draw_exposure(
            np.random.default_rng([11, k]), (32, 32), quiet(cloud=1)
        ).sky
        rms.append((sky / 40 / 1.5**2 - 1).ravel()[::7])
    assert np.std(slopes) == pytest.approx(0.08, rel=0.12)
    # 39.8 electrons per arcsec^2; cloud is 10 % about the mean over many frames.
    assert np.std(rms) == pytest.approx(0.1, rel=0.1)


def test_targets_stand_still_with_the_asked_peak():
    settings = quiet(targets=4, moving=0, target_peak=(2, 2))
    found = 0
    for k in range(8):
        frame = draw_frame(np.random.default_rng([12, k]), (96, 96), settings)
        without = frame.raw - frame.targets
        scale = normalise(without)[2]
        t = frame.satellites
        assert np.all(t.length == 0)
        for x, y, flux in zip(t.x, t.y, t.flux, strict=True):
            # 2 of the frame's own units, but for the targets' photon noise.
            assert flux / (2 * np.pi * 0.25) == pytest.approx(2 * scale, rel=0.05)
            if 4 < x < 91 and 4 < y < 91:
                found += 1
                near = frame.targets[round(y) - 2 : round(y) + 3,
                                     round(x) - 2 : round(x) + 3]  # fmt: skip
                assert near.sum() >= 0.95 * flux
    assert found > 15
    assert draw_frame(np.random.default_rng(1), (64, 64), QUIET).targets.max() == 0


def test_targets_that_move_leave_short_trails_of_the_asked_peak():
    settings = quiet(targets=3, moving=1, target_peak=(3, 3), moving_length=(6, 6))
    frame = draw_frame(np.random.default_rng(14), (96, 96), settings)
    alone = np.zeros((31, 31), np.float32)
    t = frame.satellites
    assert set(t.length) == {6.0}
    trail(alone, one(15, 15, t.flux[0], 6, t.angle[0]), sigma=0.5)
    assert alone[15, 15] == pytest.approx(
        3 * normalise(frame.raw - frame.targets)[2], rel=0.05
    )


def test_an_exposure_can_be_read_out_many_times():
    rng = np.random.default_rng(15)
    settings = SatelliteSettings(targets=0)
    expected = draw_exposure(rng, (64, 64), settings).expected()
    white = white_noise(float(np.median(expected)), settings)
    a, b = (read_out(rng, expected, white, settings) for _ in range(2))
    assert not np.array_equal(a.pattern, b.pattern)
    assert not np.array_equal(a.noise, b.noise)
    assert expected.min() >= 0
    np.testing.assert_array_equal(
        a.on(expected), expected + a.pattern + a.noise + a.targets + a.lost
    )


def test_satellites_on_other_orbits_leave_long_trails():
    settings = quiet(targets=6, moving=0, fast=0.5, fast_length=(20, 30))
    lengths = np.concatenate([
        draw_frame(np.random.default_rng([18, k]), (64, 64), settings).satellites.length
        for k in range(20)
    ])  # fmt: skip
    still = lengths == 0
    assert np.mean(still) == pytest.approx(0.5, abs=0.15)
    assert lengths[~still].min() >= 20
    assert lengths[~still].max() <= 30


@pytest.mark.parametrize(("count", "steps"), [(2, (0, 1)), (4, (1, 1))])
def test_amplifiers_differ_in_offset_where_they_meet(count, steps):
    settings = quiet(amplifiers=(count,), amplifier_offset=(2, 2))
    found = []
    for k in range(200):
        frame = draw_frame(np.random.default_rng([19, k]), (24, 30), settings)
        parts = frame.readout.components["amplifiers"] / frame.white
        quarters = [parts[a, b] for a in (slice(12), slice(12, 24))
                    for b in (slice(15), slice(15, 30))]  # fmt: skip
        assert max(np.ptp(q) for q in quarters) < 1e-5
        values = np.array([q[0, 0] for q in quarters]).reshape(2, 2)
        assert bool(np.ptp(values[:, 0])) == bool(steps[0])
        assert bool(np.ptp(values[0])) == bool(steps[1])
        found.append(values.ravel())
    assert np.std(found) == pytest.approx(2, rel=0.12)


def test_amplifiers_differ_in_gain_and_in_their_rows():
    settings = quiet(amplifiers=(2,), amplifier_gain=0.01)
    gains = []
    for k in range(200):
        frame = draw_frame(np.random.default_rng([20, k]), (8, 12), settings)
        share = frame.readout.components["amplifiers"] / frame.sky
        gains += [share[0, 0], share[0, -1]]
    assert np.std(gains) == pytest.approx(0.01, rel=0.12)
    settings = quiet(amplifiers=(2,), amplifier_rows=0.4, rows=(1, 1), row_parts=(1, 0))
    left, right = [], []
    for k in range(100):
        frame = draw_frame(np.random.default_rng([21, k]), (64, 8), settings)
        rows = frame.readout.components["rows"] / frame.white
        np.testing.assert_array_equal(rows[:, :1].repeat(4, 1), rows[:, :4])
        left.append(rows[:, 0])
        right.append(rows[:, -1])
    assert np.std(left) == pytest.approx(1, rel=0.04)
    both = np.corrcoef(np.ravel(left), np.ravel(right))[0, 1]
    assert both == pytest.approx(0.6, abs=0.04)


def test_the_amplifiers_of_a_crop_meet_where_those_of_its_frame_do():
    settings = quiet(amplifiers=(2,), amplifier_offset=(3, 3))
    expected = np.full((10, 20), 50.0, np.float32)
    out = read_out(np.random.default_rng(22), expected, 8.0, settings, middle=(30, 6))
    edge = np.flatnonzero(np.diff(out.components["amplifiers"][0]))
    assert edge.tolist() == [5]
    out = read_out(np.random.default_rng(22), expected, 8.0, settings, middle=(30, -4))
    assert np.ptp(out.components["amplifiers"]) == 0


def test_a_corner_glows_and_fades():
    settings = quiet(glow=1, glow_charge=(50, 50), glow_scale=0.25)
    glow = draw_frame(np.random.default_rng(23), (40, 60), settings).exposure
    part = glow.components["glow"]
    corners = sorted(part[[0, 0, -1, -1], [0, -1, 0, -1]])
    assert corners[-1] == pytest.approx(50)
    assert corners[-2] < 2
    along = part[0] if part[0].max() > 49 else part[-1]
    along = along if along[0] > 49 else along[::-1]
    assert along[10] == pytest.approx(50 / np.e, rel=1e-4)
    assert part.max() <= glow.fixed.max()


@pytest.mark.parametrize("bleed", [0.0, 1.0])
def test_a_bright_trail_fills_the_wells_and_bleeds_along_columns(bleed):
    settings = quiet(
        density=3e5, magnitudes=(9, 10), exposures=(0.3,), saturating=1,
        full_well=(4000, 4000), bleed=bleed,
    )  # fmt: skip
    frame = draw_frame(np.random.default_rng(24), (96, 96), settings)
    light = frame.raw - frame.pattern - frame.readout.components["read"]
    assert light.max() == pytest.approx(4000, abs=0.1)
    assert frame.lost.min() < -500
    spilled = frame.lost > 1
    assert spilled.any() == bool(bleed)
    if bleed:  # the charge of a column stays in it, but for what leaves the frame
        assert frame.lost.sum(axis=0).max() < 1
        whole = np.abs(frame.lost.sum(axis=0)) < 1
        assert np.any(whole & (frame.lost.min(axis=0) < -500))


def test_three_amplifiers_are_no_layout():
    with pytest.raises(UsageError, match="amplifiers=3 is no layout"):
        SatelliteSettings(amplifiers=(1, 3))


def test_white_noise_is_the_larger_part_of_a_normalised_frame():
    # The share decides how much of a target a map leaves (`kept_fraction`).
    share = []
    for k in range(60):
        frame = draw_frame(np.random.default_rng([16, k]), (64, 64))
        share.append(frame.white / normalise(frame.raw)[2])
    assert np.median(share) == pytest.approx(0.69, abs=0.06)
