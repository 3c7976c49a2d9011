"""Targets on frames without their background: told from trails, measured, kept."""

import numpy as np
import pytest
import satellite_frames
from satellite_frames import FWHM, WIDTH

import bgrem_core
from bgrem_core.catalog import SourceFlag
from bgrem_core.collected import Collected
from bgrem_core.inspection_rows import HELP
from bgrem_core.methods import METHODS
from bgrem_core.settings import FindSettings
from bgrem_core.systematics.catalogue import width_of
from bgrem_core.systematics.classical import plain
from bgrem_core.systematics.injection import (
    LEVELS,
    KeptCurve,
    Targets,
    draw_targets,
    fit_curve,
    kept_of,
)
from bgrem_core.systematics.point_fit import flux_at, kernel_of
from bgrem_core.systematics.points import find_points
from bgrem_core.systematics.signal import signal_at
from bgrem_core.systematics.trails import measure_trails, trail_profile

SHAPE = (128, 128)
PLACES = [(20.3, 100.2), (60.8, 40.4), (96.1, 70.7), (110.4, 20.2)]
SNR = [60.0, 25.0, 12.0, 8.0]


@pytest.fixture(scope="module")
def truth():
    """Give a frame with trails 10 pixels long, fluxes, and both with four targets."""
    drawn = satellite_frames.frame(3)
    x, y = np.array(PLACES).T
    flux = satellite_frames.snr_flux(drawn.white, np.array(SNR))
    light = satellite_frames.points(SHAPE, x, y, flux)
    return drawn, flux, (drawn.raw + light).astype("f4")


@pytest.fixture(scope="module")
def result(truth):
    image = bgrem_core.open_image(truth[2], fwhm=FWHM, unit="adu")
    return bgrem_core.clean(image, method="systematics", samples=5)


@pytest.fixture(scope="module")
def sources(result):
    return bgrem_core.find_sources(result)


def nearest(table, x, y):
    away = np.hypot(table["x"].value - x, table["y"].value - y)
    return table[np.argmin(away)], away.min()


# Trails


@pytest.mark.parametrize(
    ("seed", "shape"),
    [(0, SHAPE), (1, SHAPE), (3, SHAPE), (10, SHAPE), (5, (400, 600))],
)
def test_direction_and_length_of_trails_are_measured(seed, shape):
    drawn = satellite_frames.frame(seed, shape)
    shape = measure_trails(drawn.raw - plain(drawn.raw), drawn.white)
    exposure = drawn.exposure
    turn = (shape.angle - exposure.angle + 90) % 180 - 90
    assert abs(turn) < max(4 * shape.angle_err, 1)
    assert abs(shape.length - exposure.length) < max(4 * shape.length_err, 0.5)
    assert shape.fwhm == pytest.approx(2.0, rel=0.1)
    assert shape.fitted > 0


@pytest.mark.parametrize("angle", [-1, 91, 130])
def test_trails_run_in_any_direction(angle):
    drawn = satellite_frames.frame(3, angle=(angle, angle))
    shape = measure_trails(drawn.raw - plain(drawn.raw), drawn.white)
    assert abs((shape.angle - angle + 90) % 180 - 90) < 2
    assert 0 <= shape.angle < 180


def test_a_frame_without_stars_has_no_trails():
    for seed in range(3):
        drawn = satellite_frames.frame(seed, density=0.0, targets=3.0)
        assert measure_trails(drawn.raw - plain(drawn.raw), drawn.white) is None
    assert measure_trails(np.zeros((40, 40), "f4"), 0.0) is None


def test_the_profile_of_a_trail_is_a_line_under_a_gaussian():
    y, x = np.mgrid[-20:21, -20:21].astype(float)
    fine = [
        satellite_frames.points(
            (41, 41), [20 + s * np.cos(0.5)], [20 + s * np.sin(0.5)], [1.0], 0.9
        )
        for s in (np.arange(600) + 0.5) / 50 - 6
    ]
    made = trail_profile(x, y, angle=np.degrees(0.5), length=12, width=0.9)
    np.testing.assert_allclose(made, np.mean(fine, axis=0), atol=1e-4)
    assert made.sum() == pytest.approx(1, abs=1e-3)


# Points


def test_the_filter_is_the_fit_of_a_point_and_a_level():
    kernel = kernel_of(0.8, 0.3, -0.2)
    half = kernel.shape[0] // 2
    seen = np.random.default_rng(1).normal(5, 1, kernel.shape)
    seen += satellite_frames.points(
        kernel.shape, [half + 0.3], [half - 0.2], [40.0], 0.8
    )
    rows, cols = np.indices(kernel.shape) - half
    inside = np.hypot(rows, cols) <= half
    profile = satellite_frames.points(
        kernel.shape, [half + 0.3], [half - 0.2], [1.0], 0.8
    )[inside]
    design = np.stack([profile, np.ones(inside.sum())], axis=1)
    fit = np.linalg.lstsq(design, seen[inside], rcond=None)[0]
    assert np.sum(kernel * seen) == pytest.approx(fit[0], rel=1e-6)


def test_fluxes_are_measured_between_pixels_and_at_edges():
    x, y = np.array([30.3, 80.5, 1.0]), np.array([40.8, 60.5, 50.0])
    frame = satellite_frames.points(SHAPE, x, y, [100.0, 50.0, 70.0])
    got = flux_at(frame.astype("f4"), x, y, WIDTH)
    np.testing.assert_allclose(got, [100, 50, 70], rtol=2e-3)
    outside = flux_at(frame.astype("f4"), np.array([-3.0]), np.array([5.0]), WIDTH)
    assert np.isnan(outside).all()


def test_targets_are_found_and_ends_of_trails_are_not(sources, truth):
    for (x, y), snr in zip(PLACES, SNR, strict=True):
        row, away = nearest(sources, x, y)
        assert away < 0.5
        assert row["snr"] == pytest.approx(snr, rel=0.35)
    assert len(sources) <= len(PLACES) + 1
    assert sources.meta["left_out"]["trails"] >= 1
    assert list(sources["id"]) == list(range(1, len(sources) + 1))


def test_without_knowledge_of_trails_their_ends_would_be_targets(truth):
    drawn, _, raw = truth
    rest = raw - plain(raw)
    bad = np.zeros(SHAPE, bool)
    shape = measure_trails(rest, drawn.white)
    found = find_points(rest, rest, width=WIDTH, least=8, bad=bad, trails=shape)
    from bgrem_core.systematics.filtered import filtered

    snr = filtered(rest, kernel_of(WIDTH), bad).snr
    assert (snr > 8).sum() > 5 * len(found)
    assert found.trails >= 3
    # Nothing is known of the trails: that something is long is enough.
    alone = find_points(rest, rest, width=WIDTH, least=8, bad=bad, trails=None)
    assert len(alone) <= len(found) + 2


def test_single_pixels_are_told_from_targets_that_are_wider():
    rng = np.random.default_rng(3)
    frame = rng.normal(0, 1, SHAPE)
    frame += satellite_frames.points(SHAPE, [40], [40], [150.0], 0.85)
    frame[90, 70] += 25
    bad = np.zeros(SHAPE, bool)
    found = find_points(
        frame.astype("f4"), frame.astype("f4"), width=0.85, least=6, bad=bad,
        trails=None, sharpest=0.75,
    )  # fmt: skip
    hot = {
        (round(x), round(y)): h
        for x, y, h in zip(found.x, found.y, found.hot, strict=True)
    }
    assert hot == {(40, 40): False, (70, 90): True}


# What is kept


def test_a_map_that_takes_a_share_leaves_the_rest():
    bad = np.zeros(SHAPE, bool)
    rng = np.random.default_rng(1)
    targets = draw_targets(rng, bad, noise=2.0, width=WIDTH, most=8, first=0)
    light = targets.light(SHAPE, WIDTH)
    np.testing.assert_allclose(
        light,
        satellite_frames.points(SHAPE, targets.x, targets.y, targets.flux),
        atol=1e-12,
    )
    kept = kept_of(targets, (0.3 * light + 7).astype("f4"), WIDTH)
    np.testing.assert_allclose(kept, 0.7, atol=2e-3)


def test_artificial_targets_keep_their_distance_and_take_turns():
    bad = np.zeros(SHAPE, bool)
    bad[:, 60:70] = True
    rng = np.random.default_rng(2)
    targets = draw_targets(rng, bad, noise=1.0, width=WIDTH, most=10, first=4)
    assert len(targets) == 10
    assert list(targets.level) == [(4 + k) % len(LEVELS) for k in range(10)]
    np.testing.assert_array_equal(targets.flux, np.array(LEVELS)[targets.level])
    for axis in (targets.x, targets.y):
        gaps = np.abs(axis[:, None] - axis) + 99 * np.eye(10)
        assert gaps.min() >= 4
    assert (np.abs(targets.x - 64.5) > 5).all()
    assert len(draw_targets(rng, bad[:16, :16], noise=1, width=1, most=9, first=0)) == 1


def test_the_curve_gives_what_was_kept_by_what_is_left():
    level = np.repeat(np.arange(4), 5)
    targets = Targets(x=level * 1.0, y=level * 1.0, level=level, flux=level * 1.0)
    truth = np.array([0.5, 0.6, 0.9, 1.0])
    share = truth[level] + np.tile([-0.02, -0.01, 0, 0.01, 0.02], 4)
    curve = fit_curve([targets], [share], 3.0)
    np.testing.assert_allclose(curve.kept, truth)
    np.testing.assert_allclose(curve.flux, 3 * np.array(LEVELS[:4]))
    np.testing.assert_allclose(curve.scatter, 0.02, rtol=0.3)
    kept, error, beyond = curve.of(np.array([0.5 * 12, 0.9 * 48, 1.0, 1e9, np.nan]))
    np.testing.assert_allclose(kept[:4], [0.5, 0.9, 0.5, 1.0])
    np.testing.assert_allclose(error[:2], np.hypot(curve.scatter, curve.error)[[0, 2]])
    assert list(beyond) == [False, False, True, True, True]
    assert np.isnan(kept[4])
    # Noise on blank sky has either sign, and no flux may be lost.
    assert curve.of(np.array([-7.0]))[0] == kept[0]
    again = KeptCurve.from_dict(curve.as_dict())
    np.testing.assert_array_equal(again.kept, curve.kept)
    assert fit_curve([], [], 1.0) is None


def test_the_kept_share_is_that_of_targets_that_are_known(result, truth):
    drawn, flux, _ = truth
    without = bgrem_core.clean(
        bgrem_core.open_image(drawn.raw, fwhm=FWHM), method="systematics", samples=5,
        injections=0,
    )  # fmt: skip
    left = result.cleaned - without.cleaned
    x, y = np.array(PLACES).T
    share = flux_at(left, x, y, WIDTH) / flux
    kept = bgrem_core.measure(result, x, y)["kept_fraction"]
    np.testing.assert_allclose(kept, share, atol=0.12)
    curve = result.provenance.measured["kept"]
    assert len(curve["kept"]) >= 4
    assert 0.75 < curve["kept"][0] < 1
    assert curve["kept"][-1] > 0.95


def test_bright_targets_that_are_not_kept_from_the_network_are_absorbed(truth):
    image = bgrem_core.open_image(truth[2], fwhm=FWHM)
    kept = [
        bgrem_core.clean(
            image, method="systematics", samples=3, protect=protect
        ).provenance.measured["kept"]["kept"]
        for protect in (0.0, 8.0)
    ]
    assert kept[0][3] < 0.8 < 0.95 < kept[1][3]


def test_fluxes_are_corrected_and_their_errors_hold_the_doubt(result, truth):
    x, y = np.array(PLACES).T
    table = bgrem_core.measure(result, x, y)
    flux, error = table["flux"].value, table["flux_err"].value
    assert (np.abs(flux - truth[1]) < 4 * error).all()
    np.testing.assert_allclose(
        flux, table["flux_cleaned"].value / table["kept_fraction"]
    )
    assert (error > flux / table["snr"]).all()
    assert str(table["flux"].unit) == "adu"
    assert (table["flags"] == SourceFlag.NO_GAIN).all()


def test_photons_of_the_target_count_where_the_gain_is_known(result, truth):
    x, y = np.array(PLACES).T
    image = bgrem_core.open_image(truth[2], fwhm=FWHM, gain=1.0)
    known = bgrem_core.clean(image, method="systematics", samples=5)
    plain_snr = bgrem_core.measure(result, x, y)["snr"]
    table = bgrem_core.measure(known, x, y)
    flux = table["flux_cleaned"]
    noise = flux / plain_snr
    # Of a fit to an undersampled point about as much as of all its photons.
    shot = np.sqrt((flux / table["snr"]) ** 2 - noise**2)
    np.testing.assert_allclose(shot, np.sqrt(flux), rtol=0.3)
    assert (table["flags"] == 0).all()


def test_brighter_and_fainter_than_was_measured_is_flagged(truth):
    drawn, _, raw = truth
    flux = satellite_frames.snr_flux(drawn.white, 400.0)
    raw = raw + satellite_frames.points(SHAPE, [64.0], [64.0], [flux])
    image = bgrem_core.open_image(raw.astype("f4"), fwhm=FWHM)
    done = bgrem_core.clean(image, method="systematics", mode="classical")
    table = bgrem_core.measure(done, [64.0, 60.8, 30.0], [64.0, 40.4, 70.0])
    beyond = (table["flags"] & SourceFlag.EXTRAPOLATED) != 0
    assert list(beyond) == [True, False, True]
    assert np.isfinite(table["flux"][0])


def test_without_artificial_targets_nothing_is_corrected(truth):
    image = bgrem_core.open_image(truth[2], fwhm=FWHM)
    done = bgrem_core.clean(image, method="systematics", mode="classical", injections=0)
    table = bgrem_core.find_sources(done)
    assert np.isnan(table["kept_fraction"]).all()
    assert (table["flags"] & SourceFlag.EXTRAPOLATED).all()
    np.testing.assert_array_equal(table["flux"], table["flux_cleaned"])
    lines = METHODS["systematics"].assumed(done, FindSettings())
    assert any("not corrected" in line for line in lines)


# Signal to noise


def test_signal_to_noise_is_peak_over_scatter_in_a_box_of_21_pixels():
    rng = np.random.default_rng(4)
    frame = rng.normal(100, 4, (60, 60))
    frame[30, 25] += 80
    cleaned = frame - 100 + 3 * (np.arange(60) % 2)[:, None]
    bad = np.zeros((60, 60), bool)
    got = signal_at(frame, cleaned, bad, np.array([25.4]), np.array([29.8]))
    rows, cols = np.indices((60, 60))
    box = (np.abs(rows - 30) <= 10) & (np.abs(cols - 25) <= 10)
    box &= np.hypot(rows - 30, cols - 25) > 2.5
    for plane, mean, robust in (
        (frame, got.before, got.before_robust),
        (cleaned, got.after, got.after_robust),
    ):
        noise = plane[box]
        assert mean[0] == pytest.approx((plane[30, 25] - noise.mean()) / noise.std())
        mad = 1.4826 * np.median(np.abs(noise - np.median(noise)))
        assert robust[0] == pytest.approx((plane[30, 25] - np.median(noise)) / mad)
    off = signal_at(frame, cleaned, bad, np.array([-9.0]), np.array([5.0]))
    assert np.isnan(off.before).all()


def test_the_map_raises_the_signal_to_noise(sources):
    rows = sources[:3]
    assert (rows["snr_after"] > rows["snr_before"]).all()
    assert (rows["snr_after_robust"] > rows["snr_before_robust"]).all()


# Windows and catalogue


def test_a_click_shows_flux_kept_share_signal_and_trails(result, sources):
    collected = Collected(separation=result, table=sources)
    x, y = PLACES[0]
    seen = collected.look(x + 0.4, y - 0.3)
    rows = dict(collected.rows(seen))
    assert list(rows)[:6] == [
        "Position", "Flux (corrected)", "Kept by the map", "S/N (fit)", "SNR before",
        "SNR after",
    ]  # fmt: skip
    assert rows["Flux (corrected)"].endswith("adu")
    assert "robust" in rows["SNR before"]
    assert "deg" in rows["Trails"]
    assert rows["Flags"] == "no gain"
    assert set(list(rows)[1:6]) <= set(HELP)
    row, _ = nearest(sources, x, y)
    assert seen.flux == pytest.approx(row["flux"].value, rel=0.05)
    assert seen.flux_unit == collected.flux_unit == "adu"
    assert [name for name, *_ in collected.columns] == list(seen.own)
    assert 0 < seen.own["kept_fraction"] <= 1.2
    collected.clicked.append(collected.look(64.0, 64.0))
    assert len(collected.all_sources()) == len(sources) + 1


def test_the_catalogue_says_what_it_holds(sources):
    for name in (
        "kept_fraction", "kept_err", "snr_before", "snr_after", "snr_before_robust",
        "snr_after_robust", "mjd",
    ):  # fmt: skip
        assert sources[name].info.description
    meta = sources.meta
    assert meta["fwhm"] == pytest.approx(FWHM)
    assert meta["fwhm_source"] == "--fwhm"
    assert meta["trails"]["angle"] == pytest.approx(35, abs=2)
    assert meta["kept"]["number"]
    assert meta["threshold_unit"] == "signal to noise of a matched filter"
    assert meta["negative_detections"] <= 2


def test_the_threshold_is_a_signal_to_noise(result, sources):
    some = bgrem_core.find_sources(result, threshold=20)
    assert len(some) == (sources["snr"] >= 20).sum() == 2
    deep = bgrem_core.find_sources(result, deep=True)
    assert deep.meta["threshold"] == 4
    assert len(deep) >= len(sources)
    assert (deep["snr"] >= 4).all()
    faint = (deep["flags"] & SourceFlag.FAINT) != 0
    np.testing.assert_array_equal(faint, deep["snr"] < 5)


def test_three_bright_targets_tell_how_wide_they_are(truth):
    drawn = truth[0]
    x, y = np.array([[30, 100, 90, 20], [25, 20, 100, 80]])
    flux = satellite_frames.snr_flux(drawn.white, np.full(4, 50.0))
    raw = drawn.raw + satellite_frames.points(SHAPE, x, y, flux)
    done = bgrem_core.clean(raw.astype("f4"), method="systematics", mode="classical")
    assert done.provenance.measured["fwhm"] == pytest.approx(2.0, rel=0.1)
    table = bgrem_core.find_sources(done)
    assert table.meta["fwhm"] == pytest.approx(FWHM, rel=0.1)
    assert "bright targets" in table.meta["fwhm_source"]
    row, away = nearest(table, x[0], y[0])
    assert away < 0.5
    assert row["flux_cleaned"] == pytest.approx(flux[0], rel=0.15)


def test_masked_saturated_and_edge_are_flagged(truth):
    raw = truth[2]
    mask = np.zeros(SHAPE, bool)
    mask[41, 62] = True
    image = bgrem_core.open_image(raw, fwhm=FWHM, mask=mask)
    done = bgrem_core.clean(image, method="systematics", mode="classical")
    table = bgrem_core.measure(done, [60.8, 0.2, 200.0], [40.4, 60.0, 5.0])
    flags = np.asarray(table["flags"])
    assert flags[0] & SourceFlag.MASKED
    assert flags[1] & SourceFlag.EDGE
    assert (flags & SourceFlag.NO_GAIN).all()
    assert np.isnan(table["flux"][2])


def test_forced_fluxes_on_blank_places_scatter_about_zero(result):
    y, x = (v.ravel() for v in np.mgrid[8:120:9, 8:120:9].astype(float))
    away = np.min([np.hypot(x - a, y - b) for a, b in PLACES], axis=0)
    table = bgrem_core.measure(result, x[away > 8], y[away > 8])
    assert np.isfinite(table["flux"]).all()
    pull = table["flux"] / table["flux_err"]
    assert abs(np.median(pull)) < 0.35
    assert (table["flux"] < 0).mean() > 0.3


@pytest.mark.parametrize("width", [0.5, 0.85, 1.5])
def test_the_width_is_that_of_bright_targets_wherever_they_lie_in_a_pixel(width):
    rng = np.random.default_rng(8)
    x, y = (
        v.ravel() for v in 20 + 40 * np.indices((3, 3)) + rng.uniform(size=(2, 3, 3))
    )
    rows, cols = np.indices((128, 128)).astype(float)
    frame = rng.normal(0, 1, (128, 128))
    for cx, cy in zip(x, y, strict=True):
        frame += 400 * trail_profile(
            cols - cx, rows - cy, angle=0, length=0, width=width
        )
    found = width_of(frame.astype("f4"), x, y, 0.85)
    assert found == pytest.approx(width, rel=0.06)
