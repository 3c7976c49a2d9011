"""The systematic background of a frame: classical layers, chains, tiles, the sum."""

import dataclasses

import numpy as np
import pytest
import satellite_frames
from scipy import ndimage

import bgrem_core
from bgrem_core.ddpm import ALPHA_BAR, BETA, kept_fraction, noise_ratio, one_step
from bgrem_core.errors import UsageError
from bgrem_core.progress import drain
from bgrem_core.systematics.chain import calls, reverse_chain
from bgrem_core.systematics.classical import (
    along,
    classical,
    line,
    plain,
    rows_and_columns,
)
from bgrem_core.systematics.windows import Windows

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def simulated():
    return satellite_frames.frame(3)


@pytest.fixture(scope="module")
def mapped(simulated):
    return bgrem_core.clean(simulated.raw, method="systematics", samples=5)


# Classical layers


def slow_rows_and_columns(frame, bad):
    rows, cols = np.zeros(frame.shape[0]), np.zeros(frame.shape[1])
    for j in range(frame.shape[0]):
        rows[j] = np.median(frame[j][~bad[j]]) if not bad[j].all() else 0
    left = frame - rows[:, None]
    for i in range(frame.shape[1]):
        cols[i] = np.median(left[:, i][~bad[:, i]]) if not bad[:, i].all() else 0
    return rows[:, None] + cols


def test_medians_of_rows_and_columns_are_those_of_numpy():
    frame = RNG.normal(100, 5, (30, 41)).astype("f4")
    bad = RNG.uniform(size=frame.shape) < 0.2
    bad[7], bad[:, 11] = True, True
    none = np.zeros(frame.shape, bool)
    for mask in (none, bad):
        seen = np.where(mask, np.nan, frame)
        np.testing.assert_allclose(
            rows_and_columns(seen, mask), slow_rows_and_columns(frame, mask), rtol=1e-5
        )


@pytest.mark.parametrize("angle", [0, 35, 90, 145])
def test_the_median_along_trails_is_that_of_a_list_of_pixels(angle):
    rest = RNG.normal(0, 1, (25, 28)).astype("f4")
    turn = np.radians(angle)
    steps = [(round(k * np.sin(turn)), round(k * np.cos(turn))) for k in range(-4, 5)]
    got = along(rest, angle)
    assert line(9, angle).sum() == len(set(steps)) == 9
    for j, i in ((12, 14), (6, 20), (18, 5)):
        values = [rest[j + dy, i + dx] for dy, dx in steps]
        assert got[j, i] == np.median(values)
    # The same as a shifted copy of each pixel of the line, away from the edges.
    stack = [ndimage.shift(rest, (-dy, -dx), order=0) for dy, dx in steps]
    inner = (slice(5, -5),) * 2
    np.testing.assert_array_equal(got[inner], np.median(stack, axis=0)[inner])


def test_rows_columns_slope_and_trails_go_and_a_point_stays():
    y, x = np.mgrid[:128, :128]
    background = 500 + 0.5 * x - 0.3 * y + RNG.normal(0, 9, 128)[:, None]
    background = background + RNG.normal(0, 5, 128)
    for k in range(8):
        across = (y - 16 * k - 8) * np.cos(0.6) - (x - 14 * k - 8) * np.sin(0.6)
        inside = np.abs((x - 14 * k - 8) * np.cos(0.6) + (y - 16 * k - 8) * np.sin(0.6))
        background += 200 * np.exp(-(across**2) / 2) * (inside < 9)
    point = satellite_frames.points((128, 128), [100], [30], [900])
    frame = (background + point + RNG.normal(0, 3, (128, 128))).astype("f4")
    found = classical(frame, np.degrees(0.6))
    assert np.std(found - background) < 0.4 * np.std(background - plain(frame))
    left = (frame - found)[28:33, 98:103].sum()
    assert left == pytest.approx(900, rel=0.15)


def test_bad_pixels_change_nothing_elsewhere(simulated):
    raw = simulated.raw
    bad = np.zeros(raw.shape, bool)
    bad[40:43, 10:30], bad[90] = True, True
    maps = [
        classical(np.where(bad, value, raw).astype("f4"), 35.0, bad)
        for value in (0.0, 1e9, np.nan)
    ]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(maps[0], maps[2])
    assert np.isfinite(maps[0]).all()


# Chains


def gaussian(variance):
    """Return the exact predictor of the noise for pixels of a normal prior."""

    def predict(x_t, t):
        a = ALPHA_BAR[t.astype(int)][:, None, None, None]
        return (np.sqrt(1 - a) * x_t / (a * variance + 1 - a)).astype("f4")

    return predict


def test_the_mean_of_chains_is_that_of_one_step_in_a_gaussian_world():
    variance, t, samples = 0.5, 60, 300
    x = np.random.default_rng(1).normal(0, variance**0.5, (12, 12)).astype("f4")
    x[5, 6] += 3
    rng = np.random.default_rng(2)
    mean, spread = drain(reverse_chain(gaussian(variance), x, t, samples, rng))
    kept = float(kept_fraction(t, variance**0.5))
    # The chain ends in a draw from what could have led to the diffused frame.
    posterior = kept * variance
    wanted = np.sqrt(posterior + (1 - kept) ** 2 * noise_ratio(t))
    assert float(np.mean(spread)) == pytest.approx(wanted, rel=0.03)
    np.testing.assert_allclose(mean, (1 - kept) * x, atol=5 * wanted / np.sqrt(samples))
    single, _ = one_step(gaussian(variance), x, t, samples, np.random.default_rng(3))
    np.testing.assert_allclose(mean, single, atol=7 * wanted / np.sqrt(samples))


def test_a_chain_is_the_written_out_algorithm():
    x = np.random.default_rng(4).normal(size=(4, 6)).astype("f4")
    predict, t = gaussian(0.7), 5
    mean, spread = drain(
        reverse_chain(predict, x, t, 1, np.random.default_rng(9), batch=4)
    )
    (rng,) = np.random.default_rng(9).spawn(1)
    kept = np.cumprod(1 - BETA)

    def draw():
        return rng.standard_normal((1, 4, 6), dtype="f4")

    z = np.sqrt(kept[t]) * x + np.sqrt(1 - kept[t]) * draw()
    for k in range(t, -1, -1):
        eps = predict(z[None].astype("f4"), np.array([k]))[0]
        z = (z - BETA[k] / np.sqrt(1 - kept[k]) * eps) / np.sqrt(1 - BETA[k])
        noise = draw()
        if k > 0:
            variance = BETA[k] * (1 - kept[k - 1]) / (1 - kept[k])
            z = z + np.sqrt(variance) * noise
    np.testing.assert_allclose(mean, z[0], atol=1e-5)
    assert not spread.any()


def test_chains_tell_each_call_and_the_batch_decides_nothing():
    x = np.zeros((4, 4), "f4")
    ends = []
    for batch in (1, 3, 10):
        steps = reverse_chain(
            gaussian(0.5), x, 7, 5, np.random.default_rng(1), batch=batch
        )
        told = []
        while True:
            try:
                told.append(next(steps))
            except StopIteration as end:
                ends.append(end.value)
                break
        n = calls(7, 5, batch=batch)
        assert told == [(k + 1, n) for k in range(n)]
        assert n == 8 * -(-5 // batch)
    for mean, spread in ends[1:]:
        np.testing.assert_allclose(mean, ends[0][0], atol=1e-6)
        np.testing.assert_allclose(spread, ends[0][1], atol=1e-6)


def test_chains_need_a_number():
    with pytest.raises(UsageError, match="samples=0"):
        drain(reverse_chain(gaussian(1), np.zeros((4, 4)), 3, 0, RNG))


# Tiles


@pytest.mark.parametrize(
    "shape", [(16, 16), (128, 128), (129, 128), (300, 150), (90, 1000)]
)
def test_tiles_cover_a_frame_once_and_stay_inside(shape):
    windows = Windows(shape=shape, side=128, overlap=32)
    count = np.zeros(shape, int)
    for tile in windows.tiles():
        count[tile.keep] += 1
        for read, keep, n in zip(tile.read, tile.keep, shape, strict=True):
            assert 0 <= read.start <= keep.start < keep.stop <= read.stop <= n
            assert read.stop - read.start == min(128, n)
    assert (count == 1).all()
    field = np.random.default_rng(1).normal(size=shape).astype("f4")
    parts = [field[tile.read] for tile in windows.tiles()]
    np.testing.assert_allclose(windows.blend(parts), field, atol=1e-5)
    if len(parts) == 1:
        np.testing.assert_array_equal(windows.blend(parts), field)


def test_neighbouring_tiles_fade_into_each_other():
    windows = Windows(shape=(64, 300), side=128, overlap=32)
    parts = [np.full((64, 128), float(k), "f4") for k in range(len(windows.tiles()))]
    blended = windows.blend(parts)[30]
    assert np.abs(np.diff(blended)).max() < 0.04
    assert (blended[0], blended[-1]) == (0, len(parts) - 1)


def test_a_margin_that_leaves_nothing_is_refused():
    with pytest.raises(UsageError, match="margin=40 leaves nothing of tile=64"):
        Windows(shape=(300, 300), side=64, overlap=80)


# The whole method


def test_the_subtracted_frame_is_the_frame_minus_the_map_to_the_bit(mapped, simulated):
    found = np.asarray(mapped.part("systematics"))
    assert list(mapped.parts) == ["systematics"]
    np.testing.assert_array_equal(mapped.cleaned, simulated.raw - found)
    np.testing.assert_array_equal(mapped.cleaned, np.asarray(mapped.photometric))
    gap = np.abs(mapped.cleaned.astype(float) + found - simulated.raw)
    larger = np.maximum(np.abs(simulated.raw), np.abs(found))
    assert (gap <= np.spacing(larger)).all()


def test_trails_rows_and_gradients_are_in_the_map(mapped, simulated):
    truth = simulated.systematics()
    seen = np.abs(truth - np.median(truth)) < 30 * simulated.white
    found = np.asarray(mapped.part("systematics"))
    error = np.std((found - truth)[seen]) / simulated.white
    plainly = np.std((plain(simulated.raw) - truth)[seen]) / simulated.white
    assert error < 0.5 < 0.8 * plainly
    noise = np.std((mapped.cleaned)[seen]) / simulated.white
    assert noise < 1.1


def test_the_spread_over_the_draws_stands_beside_the_sum(mapped):
    assert list(mapped.extras) == ["spread"]
    spread = np.asarray(mapped.extras["spread"])
    assert (spread > 0).all()
    assert mapped.uncertainty is None
    with_one = bgrem_core.clean(
        mapped.image, method="systematics", samples=1, injections=0
    )
    assert not np.asarray(with_one.extras["spread"]).any()


def test_equal_seeds_give_equal_bits_and_the_view_decides_nothing(mapped, simulated):
    again = bgrem_core.remove_systematics(simulated.raw, samples=5)
    np.testing.assert_array_equal(again.cleaned, mapped.cleaned)
    assert again.provenance.measured == mapped.provenance.measured
    other = bgrem_core.remove_systematics(simulated.raw, samples=5, seed=1)
    assert (other.cleaned != mapped.cleaned).mean() > 0.9


def test_tiles_that_are_looked_at_come_first_and_change_no_bit():
    from bgrem_core.methods import METHODS

    method = METHODS["systematics"]
    image = bgrem_core.open_image(satellite_frames.frame(2, (128, 224)).raw)
    settings = method.settings(samples=1, injections=0)
    ends, first = [], []
    for view in (None, (slice(0, 5), slice(200, 210))):
        steps = method.iterate(image, settings)
        step, order = next(steps), []
        while True:
            try:
                if step.tile is not None:
                    order.append(step.tile.index)
                    assert step.block.shape == image.data[step.tile.keep].shape
                step = steps.send(view)
            except StopIteration as end:
                ends.append(end.value)
                break
        first.append(order[0])
    assert first == [(0, 0), (0, 1)]
    np.testing.assert_array_equal(ends[0].cleaned, ends[1].cleaned)


def test_the_result_scales_with_the_frame(mapped, simulated):
    scaled = bgrem_core.clean(
        simulated.raw * np.float32(1e-3), method="systematics", samples=5
    )
    np.testing.assert_allclose(
        scaled.cleaned * 1e3, mapped.cleaned, atol=2e-2 * simulated.white
    )


def test_the_classical_mode_needs_no_network(simulated, monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("a network was loaded")

    monkeypatch.setattr("bgrem_core.methods.systematics.load_model", refuse)
    done = bgrem_core.clean(simulated.raw, method="systematics", mode="classical")
    angle = done.provenance.measured["trails"]["angle"]
    assert angle == pytest.approx(35, abs=2)
    np.testing.assert_array_equal(
        np.asarray(done.part("systematics")), classical(simulated.raw, angle)
    )
    assert done.provenance.model == ""
    assert not done.extras


def test_the_paper_mode_says_how_long_it_takes_and_what_it_absorbs():
    from bgrem_core.methods import METHODS

    method = METHODS["systematics"]
    image = bgrem_core.open_image(satellite_frames.frame(3, (64, 64)).raw)
    settings = method.settings(mode="paper", t=12, samples=2, injections=2)
    notes, told = [], []
    steps = method.iterate(image, settings)
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            done = end.value
            break
        notes.append(step.note)
        if step.stage == "map":
            told.append((step.done, step.total))
    assert "calls of the network, about" in "".join(notes)
    assert "of a target is left, the map absorbs the rest" in "".join(notes)
    assert told == [(k, 13) for k in range(14)]
    assert any("the map absorbs most of a target" in n for n in done.notices)
    assert done.provenance.steps == 13
    kept = done.provenance.measured["kept"]
    assert max(kept["kept"]) < 0.2


def test_a_mirrored_frame_is_shown_to_the_network_as_it_was_trained(simulated):
    from bgrem_core.models import find_card
    from bgrem_core.systematics.camera import is_mirrored
    from bgrem_core.systematics.trails import TrailShape

    card = find_card("satellites")
    shape = TrailShape(
        angle=35, angle_err=0.3, length=10, length_err=0.1, width=0.85, fitted=3
    )
    other = dataclasses.replace(shape, angle=145.0)
    assert not is_mirrored(shape, card)
    assert is_mirrored(other, card)
    raw = np.ascontiguousarray(simulated.raw[:, ::-1])
    turned = bgrem_core.clean(raw, method="systematics", samples=3, injections=0)
    as_is = bgrem_core.clean(
        simulated.raw, method="systematics", samples=3, injections=0
    )
    apart = turned.cleaned[:, ::-1] - as_is.cleaned
    assert np.std(apart) < 0.15 * simulated.white
    assert not any("trails run" in n for n in turned.notices)


def test_a_target_keeps_what_a_chain_would_absorb(simulated):
    kept = {}
    for absorb in (False, True):
        result = bgrem_core.remove_systematics(
            simulated.raw, t=200, samples=6, absorb=absorb
        )
        curve = result.provenance.measured["kept"]
        share = result.provenance.measured["share"]
        kept[absorb] = curve["kept"][0], curve["error"][0]
    theory = float(kept_fraction(200, share))
    assert kept[True][0] == pytest.approx(theory, abs=0.12)
    assert kept[False][0] > 0.8
    assert kept[False][0] - kept[True][0] > 0.15
