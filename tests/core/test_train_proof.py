"""What a map is worth on tiles without a truth: gain, kept share, verdict."""

from types import SimpleNamespace

import numpy as np
import pytest

from bgrem_core.train import proof
from bgrem_core.train.proof import Comparison, compare, put_in, summary
from bgrem_core.white import white_rms


def striped(k, shape=(96, 96), rows=1.5):
    """Return white noise of 5 on rows that are known."""
    rng = np.random.default_rng([1, k])
    pattern = np.repeat(rng.normal(0, rows * 5, (shape[0], 1)), shape[1], axis=1)
    return (1000 + pattern + rng.normal(0, 5, shape)).astype(np.float32), pattern


def measured(number, arms, frames=None):
    """Compare maps, given by (tile, raw frame, pattern), on striped tiles."""
    made = [striped(k) for k in range(number)]
    tiles = [
        put_in(raw, np.random.default_rng([2, k]), frame=k if frames is None else k % 2)
        for k, (raw, _) in enumerate(made)
    ]

    def maps(k):
        raw, pattern = made[k]
        scale = np.std(raw) / np.std(tiles[k].without)
        return {
            name: (lambda x, f=find: f(x, pattern / scale))
            for name, find in arms.items()
        }

    *lines, found = compare(tiles, maps)
    return found, lines, tiles


def test_targets_are_put_in_with_the_asked_peak():
    raw, _ = striped(0)
    tile = put_in(raw, np.random.default_rng(3), frame=4)
    assert len(tile.places) == 4
    assert tile.frame == 4
    added = tile.injected - tile.without
    row, column = tile.places[0]
    assert added[row, column] == pytest.approx(proof.PEAK, rel=0.05)
    assert tile.injected.std() == pytest.approx(1, abs=1e-3)
    gaps = np.hypot(*(tile.places[:, None] - tile.places[None]).transpose(2, 0, 1))
    assert gaps[~np.eye(4, dtype=bool)].min() > proof.APART
    assert np.abs(added).sum() == pytest.approx(
        4 * proof.PEAK * 2 * np.pi * proof.SIGMA**2, rel=0.15
    )


def test_tiles_without_room_or_scatter_take_no_target():
    rng = np.random.default_rng(4)
    assert put_in(rng.normal(size=(20, 90)), rng, frame=0) is None
    assert put_in(np.full((90, 90), 3.0, np.float32), rng, frame=0) is None
    few = put_in(rng.normal(size=(32, 32)).astype(np.float32), rng, frame=0)
    assert 1 <= len(few.places) < 4


def test_gain_and_kept_share_are_those_of_known_maps():
    found, _, _ = measured(
        12,
        {
            "nothing": lambda x, p: 0 * x,
            "truth": lambda x, p: p - p.mean(),
            "half": lambda x, p: 0.5 * x,
        },
    )
    figures = found.figures()
    gain, error = figures["truth"]
    # The scatter was that of rows and noise, and is that of the noise alone.
    assert gain[0] == pytest.approx(np.hypot(1, 1.5), rel=0.1)
    assert gain[3] == pytest.approx(1, abs=0.01)
    assert 0 < error[1] < 0.1
    np.testing.assert_allclose(figures["nothing"][0], 1, rtol=1e-5)
    half = figures["half"][0]
    assert half[3] == pytest.approx(0.5, rel=1e-3)
    assert half[0] == pytest.approx(1, rel=1e-3)  # noise and target halved alike


def test_the_error_of_a_difference_is_that_of_repeated_samples():
    # Tiles differ by far more than the targets in one: whole tiles are drawn.
    rng = np.random.default_rng(5)
    means, errors = [], []
    for _ in range(60):
        offset = np.repeat(rng.normal(0, 1, 20), 4) + rng.normal(0, 0.1, 80)
        values = {"a": np.zeros((80, 3)), "b": np.zeros((80, 3))}
        values["a"][:, 0] = offset
        groups = np.repeat(np.arange(20), 4)
        found = Comparison(values=values, tiles=groups, frames=groups % 2)
        mean, error = found.difference("a", "b")
        means.append(mean)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.25)


def test_the_verdict_tells_better_from_worse_and_from_neither():
    arms = {
        "good": lambda x, p: p - p.mean(),
        "bad": lambda x, p: 0 * x,
        "same": lambda x, p: p - p.mean() + 1e-4 * np.sign(x),
    }
    found, _, _ = measured(10, arms)
    assert found.by_frame()
    assert found.verdict("good", "bad") == 1
    assert found.verdict("bad", "good") == -1
    figures = summary(found, "good", ["bad"])
    assert figures["notes"][0] == (
        "good is BETTER on these frames than all that it was compared with"
    )
    assert figures["notes"][1].startswith("beside bad: mean gain +")
    assert figures["notes"][1].endswith(", better")
    assert "bootstrap over frames" in figures["caption"]
    assert [row[0] for row in figures["table"][1:]] == list(arms)
    figures = summary(found, "bad", ["good", "same"])
    assert (
        "bad is NOT better on these frames than good and than same" in figures["notes"]
    )
    few, _, _ = measured(4, arms, frames=2)
    assert not few.by_frame()
    assert few.verdict("good", "bad") == 0
    assert "over tiles, as there are few frames" in summary(few, "good", [])["caption"]


def test_the_time_that_is_left_is_told(monkeypatch):
    clock = iter(range(0, 10_000, 6))
    # Not of the module `time`: threads of others would turn this clock.
    monkeypatch.setattr(proof, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    _, lines, _ = measured(9, {"nothing": lambda x, p: 0 * x})
    assert lines[0] == "tile 1 of 9  0.8 min left"
    assert [int(line.split()[1]) for line in lines] == [1, 5, 9]


@pytest.mark.parametrize("rows", [0, 30])
def test_white_noise_is_that_of_single_pixels(rows):
    y, x = np.mgrid[:200, :200]
    raw, _ = striped(7, (200, 200), rows)
    raw = raw + 3.0 * y - 0.2 * x + 40 * np.sin(x / 30)
    assert white_rms(raw) == pytest.approx(5, rel=0.03)
    raw[::7, ::9] = np.nan
    raw[5::50, 3::40] += 1e5
    assert white_rms(raw) == pytest.approx(5, rel=0.05)


def test_white_noise_without_pixels_is_not_known():
    assert np.isnan(white_rms(np.full((4, 4), np.nan)))
    assert white_rms(np.ones((4, 4))) == 0
