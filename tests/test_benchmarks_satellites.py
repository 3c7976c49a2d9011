"""The satellite benchmark: scoring by hand-made cases, and a toy run."""

import argparse
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from bgrem_core.simulate import sampling

FOLDER = Path(__file__).parents[1] / "benchmarks" / "satellites"
NAMES = (
    "run", "arms", "bench", "cache", "chains", "draws", "figures", "gain", "jobs",
    "report", "sampled", "scoring", "search", "targets",
)  # fmt: skip
FALSE, SPARE = -1, -2
SIDE = 64


@pytest.fixture(scope="module")
def room():
    """Import the scripts as they are started: from their own folder."""
    patch = pytest.MonkeyPatch()
    before = set(sys.modules)
    patch.syspath_prepend(str(FOLDER))
    modules = argparse.Namespace(**{n: importlib.import_module(n) for n in NAMES})
    modules.bootstrap = importlib.import_module("common.bootstrap")
    patch.setattr(modules.bootstrap, "DRAWS", 30)
    # Few draws, short chains.
    patch.setattr(modules.arms, "SAMPLES", 2)
    patch.setattr(modules.arms, "FAST", 1)
    patch.setattr(modules.jobs, "MANY", 4)
    patch.setattr(modules.gain, "TRIED", (400,))
    patch.setattr(modules.gain, "NUMBERS", (1, 2))
    for name in ("gain", "chains"):
        patch.setattr(sys.modules[name], "CHAINS", (2, 4))
    patch.setattr(modules.chains, "SAMPLES", 2)
    patch.setattr(modules.draws, "APART", 12.0)
    patch.setattr(modules.draws, "CLEAR", 9.0)
    for name in list(modules.arms.LAYERS)[1:]:
        patch.delitem(modules.arms.LAYERS, name)
    # Frames are drawn as if the schedule ended early.
    patch.setattr(modules.run, "STEPS", 3)
    patch.setattr(sampling, "STEPS", 3)
    patch.setattr(modules.figures, "DPI", 50)
    yield modules
    patch.undo()
    # Names such as "cache" are those of another benchmark, too.
    for name in set(sys.modules) - before:
        where = getattr(sys.modules[name], "__file__", None) or ""
        if Path(where).parent == FOLDER:
            del sys.modules[name]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


# Scoring


def scene(rng, size=64):
    """Give a frame without targets and with one, and what is smooth in it."""
    rows = np.arange(size)[:, None] * np.ones(size)
    wave = 4 * np.sin(rows)
    without = wave + rng.normal(0, 1, (size, size))
    injected = without.copy()
    injected[30, 20] += 5
    return without, injected, wave


def test_the_true_map_gains_what_the_scatter_loses(room, rng):
    without, injected, wave = scene(rng)
    gained, kept = room.scoring.gains(
        injected, without, (wave, wave), np.array([20.0]), np.array([30.0])
    )
    assert kept == pytest.approx([1])
    assert gained[0, 0] == pytest.approx([1, 1])  # nothing is taken off
    assert gained[0, -1, 0] == pytest.approx(3, rel=0.15)  # sqrt(1 + 8)
    assert np.all(np.diff(gained[0, :, 0]) > 0)


def test_a_map_that_takes_the_target_gains_nothing(room, rng):
    without, injected, wave = scene(rng)
    absorbs = wave + 0.8 * (injected - without)
    gained, kept = room.scoring.gains(
        injected, without, (wave, absorbs), np.array([20.0]), np.array([30.0])
    )
    assert kept == pytest.approx([0.2])
    assert gained[0, -1, 0] == pytest.approx(0.6, rel=0.15)


def test_a_robust_scatter_is_that_of_the_many(room, rng):
    values = rng.normal(0, 2, 4000)
    values[:40] = 1e6
    assert room.scoring.mad(values) == pytest.approx(2, rel=0.07)


def test_white_noise_has_the_power_of_its_variance(room, rng):
    power = room.scoring.spectrum(rng.normal(100, 3, (128, 128)))
    assert power[1:].mean() == pytest.approx(9, rel=0.05)
    assert len(power) == len(room.scoring.edges()) - 1
    rows = np.arange(128)[:, None] * np.ones(128)
    wave = np.sqrt(2) * np.sin(2 * np.pi * rows * 0.25)
    where = np.argmax(room.scoring.spectrum(wave))
    low, high = room.scoring.edges()[where : where + 2]
    assert low <= 0.25 < high


def test_each_detection_has_the_fate_of_the_rules(room):
    at = np.array([20.0, 40.0]), np.array([20.0, 40.0])
    x = [20.5, 19.5, 30, 1, 41.4, 60]
    y = [20.0, 20.0, 30, 30, 40.0, 60]
    # Found, again, none there, on the edge, found at some distance, on the other edge.
    wanted = [0, SPARE, FALSE, SPARE, 1, SPARE]
    assert room.scoring.fates(at, x, y, (63, 63)).tolist() == wanted
    assert room.scoring.fates(at, [], [], (63, 63)).tolist() == []


def test_of_two_near_targets_the_free_one_is_taken(room):
    at = np.array([20.0, 22.0]), np.array([20.0, 20.0])
    assert room.scoring.fates(at, [21, 21.1], [20, 20], (64, 64)).tolist() == [0, 1]


def test_completeness_is_read_where_so_many_are_false(room):
    rows = [
        {"snr": [9, 8, 7, 5], "fate": [0, FALSE, 1, 2]},
        {"snr": [6, 4], "fate": [0, FALSE]},
    ]
    s = room.scoring.sweep(rows, [4, 4], 3.0)
    once = np.ones((1, 2), int)

    def at(rate):
        return room.scoring.completeness(s, once, rate)[0]

    # One false in two frames from 8 on, two from 4 on.
    assert at(0.5) == pytest.approx(4 / 8)
    assert at(1.0) == pytest.approx(4 / 8)
    assert at(0.25) == pytest.approx(1 / 8)
    assert at(0.0) == pytest.approx(1 / 8)
    twice = np.array([[2, 0]])
    assert room.scoring.completeness(s, twice, 0.0)[0] == pytest.approx(1 / 4)


def test_a_map_is_scaled_to_what_shall_be_kept(room):
    scoring = room.scoring
    assert scoring.strength_for(0.8, 0.9) == pytest.approx(0.5)
    assert scoring.strength_for(0.95, 0.9) == 1
    assert scoring.strength_for(1.0, 1.0) == 0
    grid = np.stack([scoring.STRENGTHS, scoring.STRENGTHS**2], axis=-1)[None, None]
    got = scoring.at_strength(np.repeat(grid, 2, axis=0), np.array([0.35, 1.0]))
    assert got[:, 0, 0] == pytest.approx([0.35, 1])
    assert got[:, 0, 1] == pytest.approx([0.125, 1])


def test_the_excess_is_a_share_of_the_oracles(room):
    share = room.scoring.share_of(np.array([1.1, 1.2, 0.9, 2.0]), np.full(4, 1.2))
    assert share == pytest.approx([0.5, 1, -0.5, 5])
    assert np.isnan(room.scoring.share_of(np.array([1.1]), np.array([1.0]))[0])


def test_bootstrap_errors_are_those_of_the_mean(room, rng):
    values = rng.normal(0, 2, 100)
    picks = room.bootstrap.resampled(100, 1, draws=2000)
    means = values[picks].mean(1)
    value, error = room.bootstrap.pair(means)
    assert value == pytest.approx(values.mean(), rel=1e-4)
    assert error == pytest.approx(0.2, rel=0.2)
    assert room.scoring.lower(means) == pytest.approx(value - error, abs=0.03)
    counts = room.scoring.counted(picks)
    assert np.all(counts[0] == 1)
    assert np.all(counts.sum(1) == 100)
    assert room.bootstrap.pair(np.array([np.nan, 1, 2])) == [
        None,
        pytest.approx(0.70711),
    ]
    assert room.bootstrap.resampled(1, 1).tolist() == [[0]]
    assert room.bootstrap.pair(np.array([3.0])) == [3, None]


def test_what_is_kept_is_a_median_over_targets(room):
    rows = [
        {"gain": np.full((2, 11, 2), g).tolist(), "kept": [k, k], "seconds": 1.0,
         "before": [2.0, 2.0], "after": [3.0, 5.0]}
        for g, k in ((1.5, 0.9), (2.0, 0.8), (9.0, 0.1))
    ]  # fmt: skip
    best = [{**r, "gain": np.full((2, 11, 2), 3.0).tolist()} for r in rows]
    bench = argparse.Namespace(picks=lambda n: room.bootstrap.resampled(n, 1))
    found = room.gain.compared({room.arms.ORACLE: best, "a": rows}, bench)["a"]
    assert found["gain"]["median"][0] == 2
    assert found["gain"]["mean"][0] == pytest.approx(25 / 6, rel=1e-4)
    assert found["kept"][0] == 0.8
    assert found["share"]["median"][0] == 0.5
    assert found["paper"][0] == 2


def test_equal_kept_scales_the_one_that_keeps_less(room):
    strengths = room.scoring.STRENGTHS
    gain = np.stack([1 + strengths, 1 + strengths], axis=-1)
    row = {"gain": [gain.tolist()], "kept": [0.8]}
    other = {"gain": [np.full((11, 2), 1.25).tolist()], "kept": [0.9]}
    picks = room.bootstrap.resampled(3, 1)
    found = room.gain._at_equal([row] * 3, [other] * 3, picks)
    assert found["kept"][0] == 0.9
    assert [s[0] for s in found["strength"]] == [0.5, 1]
    assert found["less"]["median"][0] == pytest.approx(0.25)


def test_biases_count_targets_without_a_flux(room):
    use = np.array([[True, True], [True, False]])
    values = {
        "corrected": np.array([[1.1, 0.9], [1.3, 50]]),
        "as left": np.array([[0.8, 0.8], [0.9, 9]]),
        "found": np.array([[np.nan, 1.2], [np.nan, 9]]),
        "error": np.array([[0.1, 0.1], [0.0, 1]]),
        "kept": np.full((2, 2), 0.8),
    }
    found = room.search._bin(use, values, room.bootstrap.resampled(2, 1))
    assert found["number"] == 3
    assert found["found number"] == 1
    assert found["median"][0] == pytest.approx(0.1)
    assert found["mean"][0] == pytest.approx(0.1)
    assert found["as left"][0] == pytest.approx(-0.2)
    assert found["pull width"][0] == pytest.approx(0.68, rel=0.01)


def test_frames_are_what_they_are_made_of(room):
    faint, bright = (room.draws.draw(kind, 3, 0) for kind in ("test", "flux"))
    for d in (faint, bright):
        assert np.allclose(d.systematics + d.noise, d.without, atol=1e-2)
        assert len(d.x) == len(d.y) == len(d.flux)
    assert len(faint.x) == 4
    left = faint.injected - faint.without
    assert left.sum() == pytest.approx(faint.flux.sum(), rel=0.05)
    assert np.all((bright.snr >= 5) & (bright.snr <= 128))
    again = room.draws.draw("test", 3, 0)
    assert np.array_equal(again.injected, faint.injected)
    other = room.draws.draw("development", 3, 0)
    assert not np.array_equal(other.without, faint.without)


def test_frames_drawn_from_the_same_law_are_near(room, rng):
    def rows(n, width):
        x = rng.normal(0, width, (n, 64, 64))
        return [room.jobs._seen(v) for v in x]

    def each(what, *_, number, **__):
        return rows(number, 1.5 if what == "drawn" else 1.0)

    bench = argparse.Namespace(each=each, network=None, sampled=4, seed=1)
    found = room.sampled.run(bench)["distances"]
    assert found["training, as many"]["histogram"][0] < 0.02
    assert found["drawn"]["histogram"][0] > 0.1
    assert found["drawn"]["power"][0] == pytest.approx(2 * np.log(1.5), abs=0.1)


def test_a_target_says_whether_it_was_reached(room):
    target = room.targets.Target
    wide = {"within": (0.85, room.targets.ANY), "beyond": (0.92, room.targets.ANY)}
    assert target("a", [[0.95, 0.1]], **wide).verdict == "stretch"
    assert target("a", [[0.86, 0.1]], **wide).verdict == "yes"
    assert target("a", [[0.86, 0.1]], **wide, sure=True).verdict == "no"
    assert target("a", [[0.9, 0.1], [0.8, 0.1]], **wide).verdict == "no"
    assert target("a", [[None, None]], **wide).verdict == "not measured"
    assert target("a", [[0.9, None]], **wide).text == "0.900"


# A toy run


@pytest.fixture(scope="module")
def toy(room, tmp_path_factory):
    folder = tmp_path_factory.mktemp("satellites")
    own = ["--frames", "2", "--chains", "1", "--sampled", "2", "--side", str(SIDE)]
    own += ["--cache", str(folder / "kept"), "--out", str(folder)]
    assert room.run.main(own) == 0
    return own, folder


@pytest.fixture(scope="module")
def first(toy):
    return json.loads((toy[1] / "benchmark.json").read_text())


def test_a_toy_run_fills_all_sections(room, first, toy):
    assert list(first["sections"]) == list(room.run.SECTIONS)
    page = (toy[1] / "benchmark.md").read_text()
    for section in page.split("\n## ")[1:]:
        rows = [line for line in section.splitlines() if line.startswith("|")]
        assert len(rows) > 2, section
        assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    arms = first["sections"]["gain"]["arms"]
    assert arms[room.arms.ORACLE]["kept"][0] == 1
    assert arms[room.arms.ORACLE]["share"]["median"][0] == 1
    assert set(first["figures"]) == {"caption", "table", "notes"}
    assert len(first["figures"]["table"]) == len(arms) + 1
    times = first["sections"]["times"]
    assert times["ratios"][times["network"]]
    assert not list(toy[1].glob("*.new"))


def test_pictures_are_small(toy):
    pytest.importorskip("matplotlib")
    pictures = list(toy[1].glob("*.png"))
    assert len(pictures) == 6
    assert all(p.stat().st_size < 300_000 for p in pictures)


def test_a_second_run_computes_nothing_and_parts_keep_the_rest(room, first, toy):
    again = room.run.run(room.run.options([*toy[0], "--only", "gain", "times"]))
    again = json.loads(json.dumps(again))
    assert first["cache"]["computed"] > 0
    assert again["cache"]["computed"] == 0
    assert again["sections"] == first["sections"]
    assert again["figures"] == first["figures"]
