"""The gamma-ray benchmark: scoring by hand-made cases, and a toy run."""

import argparse
import importlib
import json
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats

FOLDER = Path(__file__).parents[1] / "benchmarks" / "gamma"
NAMES = (
    "run", "arms", "bench", "cache", "draws", "figures", "flux", "infinite", "jobs",
    "null", "report", "scoring", "sextractor", "targets",
)  # fmt: skip
PATCHES = 2


@pytest.fixture(scope="module")
def room():
    """Import the scripts as they are started: from their own folder."""
    patch = pytest.MonkeyPatch()
    before = set(sys.modules)
    patch.syspath_prepend(str(FOLDER))
    patch.setitem(sys.modules, "paper_network", paper_network())
    modules = argparse.Namespace(**{n: importlib.import_module(n) for n in NAMES})
    patch.setattr(modules.scoring, "DRAWS", 50)
    patch.setattr(modules.infinite, "STEPS", (1, 3))
    # Little is searched, and not deep.
    for name in ("background", "detection", "wrong"):
        patch.setattr(sys.modules[name], "MESHES", (5, 8))
    for name in ("detection", "jobs"):
        patch.setattr(sys.modules[name], "FAINTEST", 12.0)
    patch.setattr(modules.jobs, "NULL_FAINTEST", 12.0)
    patch.setattr(modules.jobs, "TRIALS", 10)
    patch.setattr(modules.figures, "DPI", 50)
    yield modules
    patch.undo()
    # Names such as "cache" are those of another benchmark, too.
    for name in set(sys.modules) - before:
        where = getattr(sys.modules[name], "__file__", None) or ""
        if Path(where).parent == FOLDER:
            del sys.modules[name]


def paper_network():
    """Give a stand-in for the paper's network, which ships no weights."""

    def background_of(file, counts, steps=1):
        assert file
        smooth = [ndimage.gaussian_filter(n, 2) for n in counts]
        return np.stack([ndimage.minimum_filter(n, 7) for n in smooth]) * steps**0.01

    made = types.ModuleType("paper_network")
    made.background_of = background_of
    return made


def truth(*sources, b=0.0):
    """Give the catalogue of a patch: (x, y, Asimov TS) of each source."""
    x, y, ts = np.array(sources, float).reshape(-1, 3).T
    return {"x": x, "y": y, "ts": ts, "b": b}


def detections(*rows):
    x, y, ts = np.array(rows, float).reshape(-1, 3).T
    return {"x": x, "y": y, "ts": ts}


def test_each_detection_has_the_fate_of_the_rules(room):
    t = truth((20, 20, 30), (21, 20, 90), (40, 40, 5), (50, 20, 3), (1, 30, 60))
    found = [
        (20.4, 20, 1),  # both are near: the one with the higher TS
        (20.6, 20, FALSE),  # the other one
        (20.5, 21, SPARE),  # a third one there is no false one
        (41, 42, 2),  # faint, but real
        (50, 20, FALSE),  # too faint to be real
        (30, 50, FALSE),
        (1, 30, SPARE),  # at the edge
        (23.2, 23.2, FALSE),  # farther than 2.5 pixels
    ]
    x, y, fate = zip(*found, strict=True)
    want = np.array([0 if k == 1 else f for k, f in enumerate(fate)])
    np.testing.assert_array_equal(room.scoring.fates(t, x, y), want)
    assert room.scoring.fates(t, [50], [20], real=0)[0] == 3
    np.testing.assert_array_equal(room.scoring.bright(t), [1, 1, 0, 0, 0])


FALSE, SPARE = -1, -2


def four(room, least=6.0):
    """Give four patches of one bright source each, of which three are found."""
    s = room.scoring
    truths = [truth((30, 30, 100), b=b) for b in (5, -10, 40, -60)]
    rows = [
        detections((30, 30, 80), (50, 50, 20)),
        detections((10, 10, 40), (30, 31, 30)),
        detections((50, 50, 10), (30, 30, 8)),
        detections((9, 9, 12)),
    ]
    return truths, s.by_ts(truths, rows, least)


def share(room, sweep, weights, rate):
    return room.scoring.completeness(sweep, np.atleast_2d(weights), rate)[0]


def test_completeness_is_read_where_so_many_are_false(room):
    _, sweep = four(room)
    once = np.ones(4)
    # Above the first false one, at TS 40, one source; each further one adds 0.25.
    assert share(room, sweep, once, 0.0) == pytest.approx(0.25)
    assert share(room, sweep, once, 0.25) == pytest.approx(0.5)
    assert share(room, sweep, once, 0.74) == pytest.approx(0.5)
    # All four are false now, and nothing more: the end of the sweep.
    assert share(room, sweep, once, 1.0) == pytest.approx(0.75)
    assert share(room, sweep, once, 9.0) == pytest.approx(0.75)


def test_a_band_has_its_own_threshold(room):
    truths, sweep = four(room)
    bands = room.scoring.bands(truths)
    np.testing.assert_array_equal(bands["|b| < 20"], [1, 1, 0, 0])
    low, high = bands["|b| < 20"], bands["|b| > 20"]
    assert share(room, sweep, low, 0.5) == pytest.approx(1)
    assert share(room, sweep, high, 0.5) == pytest.approx(0)
    assert share(room, sweep, high, 1.0) == pytest.approx(0.5)
    assert np.isnan(share(room, sweep, np.zeros(4), 0.1))


def test_between_two_thresholds_it_is_interpolated(room):
    sweep = room.scoring.Sweep(
        np.array([[0], [2], [1]]), np.array([[1], [5], [6]]), np.array([10])
    )
    assert share(room, sweep, np.ones(1), 0.5) == pytest.approx(0.2)
    # A lower threshold that happens to give fewer false ones hides none.
    assert share(room, sweep, np.ones(1), 2.0) == pytest.approx(0.6)


def test_a_sweep_of_thresholds_is_scored_one_by_one(room):
    truths = [truth((30, 30, 100))]
    sweeps = [[([], []), ([30.0], [31.0]), ([30.0, 10.0], [31.0, 10.0])]]
    sweep = room.scoring.by_threshold(truths, sweeps)
    np.testing.assert_array_equal(sweep.false[:, 0], [0, 0, 1])
    np.testing.assert_array_equal(sweep.found[:, 0], [0, 1, 1])


def test_differences_of_arms_are_paired(room):
    rng = np.random.default_rng(1)
    wanted = np.full(60, 10)
    hit = rng.binomial(10, rng.uniform(0.1, 0.9, 60))
    none = np.zeros((1, 60), int)
    better = room.scoring.Sweep(none, hit[None] + 1, wanted)
    worse = room.scoring.Sweep(none, hit[None], wanted)
    weights = room.scoring.resampled(60, 3)
    a, b = (room.scoring.completeness(s, weights, 0.1) for s in (better, worse))
    assert room.scoring.pair(a)[1] > 0.02
    value, error = room.scoring.pair(a - b)
    assert value == pytest.approx(0.1)
    assert error == pytest.approx(0, abs=1e-9)  # unpaired: 0.04


def test_bootstrap_errors_are_those_of_the_mean(room):
    values = np.random.default_rng(2).normal(5, 2, 400)
    weights = room.scoring.resampled(400, 7, draws=400)
    value, error = room.scoring.pair(room.scoring.mean(values, weights))
    assert value == pytest.approx(values.mean(), rel=1e-4)
    assert error == pytest.approx(2 / 20, rel=0.15)


def test_terciles_go_by_the_true_light(room):
    true = np.array([1.0, 100, 10, 2, 200, 20])
    factor = np.array([2.0, 0.5, 1, 2, 0.5, 1])
    got = room.scoring.terciles(factor * true, true, np.ones((3, 6)))
    assert [p[0] for p in got[:3]] == [2.0, 1.0, 0.5]
    assert got[3][0] == pytest.approx((6 + 30 + 150) / 333, rel=1e-4)


@pytest.mark.parametrize("values", [[3.0, 1, 2], [4.0, 1, 2, 3], [5.0], [2.0] * 7])
def test_weighted_spreads_are_those_of_repeated_values(room, values):
    values = np.array(values)
    rng = np.random.default_rng(4)
    weights = rng.integers(0, 4, (6, len(values)))
    weights[:, 0] += 1
    at = np.arange(len(values))
    for w in weights:
        got = room.scoring.spread(values, at, np.stack([w, w]))
        all_ = np.repeat(values, w)
        assert got["mean"][0] == pytest.approx(all_.mean(), rel=1e-4)
        assert got["median"][0] == pytest.approx(np.median(all_), rel=1e-4)
        assert got["std"][0] == pytest.approx(all_.std(), rel=1e-4, abs=1e-6)


def test_bias_and_pulls_of_known_errors_come_back(room):
    rng = np.random.default_rng(5)
    n = 6000
    true, err = rng.uniform(40, 60, n), np.full(n, 5.0)
    columns = {
        "true": true,
        "asimov": np.where(np.arange(n) % 2, 30.0, 200.0),
        "counts": true * 1.1 + 1.3 * err * rng.standard_normal(n),
        "err": err,
        "at": np.arange(n) // 30,
    }
    got = room.flux.summary(columns, room.scoring.resampled(200, 1, draws=60))
    assert [got[k]["number"] for k in ("25-50", "50-100", "100-400", "all")] == [
        n // 2, 0, n // 2, n,
    ]  # fmt: skip
    for name in ("25-50", "100-400"):
        value, error = got[name]["bias"]
        assert abs(value - 0.1) < 4 * error < 0.02
        # 10 % of 40 to 60 photons are one error of five on the mean.
        assert got[name]["pull mean"][0] == pytest.approx(1, abs=0.1)
        wide = np.hypot(1.3, 20 / 12**0.5 * 0.1 / 5)
        for width in ("pull width", "pull std"):
            assert got[name][width][0] == pytest.approx(wide, rel=0.05)
    assert got["50-100"]["bias"] == [None, None]


def test_without_noise_fits_on_the_exact_background_have_no_bias(room):
    drawn = room.draws.draw("nominal PSF", 1, 4)
    exact = room.draws.Drawn(number=0, patch=drawn.patch, counts=drawn.expected)
    arm = room.arms.Arm(name=room.arms.EXACT)
    task = room.jobs.Task(
        what="forced", kind="nominal PSF", seed=1, patches=(4,), arm=arm
    )
    row = room.jobs.forced(exact, drawn.patch.background, None, task)
    assert len(row["true"]) >= 4
    np.testing.assert_allclose(row["counts"], row["true"], rtol=0.02)
    off = (np.array(row["counts"]) - row["true"]) / row["err"]
    assert np.abs(off[np.array(row["asimov"]) < 400]).max() < 0.1


def test_shares_above_a_ts_are_counted(room):
    rows = [{"places": [0, 0, 10, 26], "blind": [30, 12]} for _ in range(8)]
    rows += [{"places": [0, 17, 0, 0], "blind": []} for _ in range(2)]
    got = room.null.shares(rows, room.scoring.resampled(10, 1, draws=20))
    assert got["trials"] == 40
    assert [p[0] for p in got["places"]] == pytest.approx([18 / 40, 10 / 40, 8 / 40])
    assert [p[0] for p in got["false"]] == pytest.approx([1.6, 0.8, 0.8])
    assert got["threshold"][0] == 30
    few = room.null.shares(rows[-2:], np.ones((3, 2)))
    assert few["threshold"][0] is None


@pytest.mark.parametrize(("level", "sigma"), [(9, 3), (16, 4), (25, 5)])
def test_the_expected_share_is_one_side_of_a_gaussian(room, level, sigma):
    assert room.null.expected(level) == pytest.approx(stats.norm.sf(sigma))


def test_the_threshold_leaves_so_many_per_patch(room):
    ts = np.array([50.0, 9.5, 30, 20, 12])
    at = np.array([0, 1, 2, 2, 19])
    once = np.ones((2, 20))
    for rate, want in ((0.1, 20), (0.05, 30), (0.0, 50)):
        assert room.scoring.threshold_at(ts, at, once, rate)[0] == want
    assert np.isnan(room.scoring.threshold_at(ts, at, once, 0.3)[0])


def test_the_paper_counts_many_detections_of_one_source(room):
    t = truth((30, 30, 100), (10, 40, 2))
    x, y = [30, 33, 32, 10, 60], [30, 33, 31, 42, 10]
    assert room.infinite.counted_as_there(t, x, y) == (4, 1)
    assert room.infinite.counted(t, x, y, 4.0) == (1, 3)
    assert room.infinite.counted(t, x, y, 0.0) == (2, 2)
    assert room.infinite.counted_as_there(truth(), [5], [5]) == (0, 1)


def test_the_wrong_sky_is_off_by_ten_per_cent(room):
    for k in range(2):
        drawn = room.draws.draw("wrong", 1, k)
        off = np.log(drawn.patch.background / drawn.model)
        # The isotropic part is right: a little less than 10 %.
        assert 0.03 < off.std() < 0.101


def test_patches_without_sources_lie_in_their_bands(room):
    for kind, (low, high) in room.draws.NULL.items():
        drawn = room.draws.draw(kind, 1, 0)
        assert low <= abs(drawn.patch.footprint.b) < high
        assert not drawn.patch.source.any()


def test_what_was_kept_is_not_made_again(room, tmp_path):
    path = tmp_path / "kept.jsonl"
    calls = []

    def square(n):
        calls.append(n)
        return {"n": n**2}

    first = room.cache.Cache(path)
    assert first.many([[1], [2]], square, [1, 2]) == [{"n": 1}, {"n": 4}]
    with path.open("a") as file:
        file.write('{"key": "cut')  # killed here
    again = room.cache.Cache(path)
    got = again.many([[1], [2], [3]], square, [1, 2, 3])
    assert [v["n"] for v in got] == [1, 4, 9]
    assert calls == [1, 2, 3]
    assert (again.computed, again.reused) == (1, 2)
    assert len(room.cache.Cache(path).many([[3]], square, [3])) == 1
    assert calls == [1, 2, 3]


@pytest.mark.skipif(shutil.which("source-extractor") is None, reason="no SExtractor")
def test_sep_stands_for_the_program(room, tmp_path):
    from astropy.io import fits

    counts = room.draws.draw("test", 1, 1).counts
    fits.PrimaryHDU(counts).writeto(tmp_path / "frame.fits")
    (tmp_path / "columns.param").write_text("X_IMAGE\nY_IMAGE\n")
    shared = Path("/usr/share/source-extractor")
    command = [
        "source-extractor", "frame.fits", "-c", str(shared / "default.sex"),
        "-FILTER_NAME", str(shared / "default.conv"), "-PARAMETERS_NAME",
        "columns.param", "-CATALOG_NAME", "found.cat", "-CATALOG_TYPE", "ASCII",
        "-VERBOSE_TYPE", "QUIET", "-SATUR_LEVEL", "1e9",
    ]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    text = (tmp_path / "found.cat").read_text().split()
    theirs = np.array(text, float).reshape(-1, 2) - 1
    ours = np.stack(room.sextractor.Image(counts).find(1.5), 1)
    away = np.hypot(*(theirs[:, None] - ours).transpose(2, 0, 1))
    assert len(theirs) > 3
    assert (away.min(axis=1) < 1).mean() > 0.75
    assert abs(len(ours) - len(theirs)) <= max(2, 0.3 * len(theirs))


@pytest.fixture(scope="module")
def toy(room, tmp_path_factory):
    """Return the options of a toy run, and the folder of its results."""
    folder = tmp_path_factory.mktemp("gamma")
    weights = folder / "paper.safetensors"
    weights.write_bytes(b"none")

    argv = ["--patches", str(PATCHES), "--out", str(folder)]
    argv += ["--cache", str(folder / "kept"), "--infinite", str(weights)]
    return argv, folder


@pytest.fixture(scope="module")
def first(room, toy):
    argv, folder = toy
    assert room.run.main(argv) == 0
    return json.loads((folder / "benchmark.json").read_text())


def test_a_toy_run_fills_all_sections(room, first, toy):
    assert list(first["sections"]) == list(room.run.SECTIONS)
    assert first["weights"]
    assert first["figures"]["table"][0] == ["figure", *room.scoring.BANDS]
    assert len(first["figures"]["table"]) == 11
    page = (toy[1] / "benchmark.md").read_text()
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    assert len(titles) == 16
    for section in page.split("\n## ")[1:]:
        rows = [line for line in section.splitlines() if line.startswith("|")]
        assert len(rows) > 2, section
        assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    arms = first["sections"]["detection"]["arms"]
    for k in range(3):
        bound = arms[room.arms.EXACT]["all"][k]["found"][0]
        assert bound >= arms[room.arms.NETWORK]["all"][k]["found"][0] - 0.2
    steps = first["sections"]["infinite"]["steps"]["paper"]
    assert str(steps["best"]) in steps["rms"]
    assert not list(toy[1].glob("*.new"))


def test_pictures_are_small(first, toy):
    pytest.importorskip("matplotlib")
    pictures = list(toy[1].glob("*.png"))
    assert len(pictures) == 7
    assert all(2e3 < p.stat().st_size < 75e3 for p in pictures)


def test_a_second_run_computes_nothing_and_parts_keep_the_rest(room, first, toy):
    again = room.run.run(room.run.options([*toy[0], "--only", "null", "infinite"]))
    again = json.loads(json.dumps(again))
    assert first["cache"]["computed"] > 0
    assert again["cache"]["computed"] == 0
    assert again["sections"] == first["sections"]
    assert again["figures"] == first["figures"]


def test_a_target_says_whether_it_was_reached(room):
    make = room.targets.Target
    near, far = (0.9, 1.1), (0.95, 1.05)
    for pairs, want in (
        ([[1.0, 0.1]], "stretch"),
        ([[1.0, 0.1], [1.08, None]], "yes"),
        ([[1.0, 0.1], [1.2, None]], "no"),
        ([[None, None]], "not measured"),
        ([], "not measured"),
    ):
        assert make("what", pairs, near, far).verdict == want
    assert make("what", [[0.031, 0.01]], (-5, 5), factor=100, digits=1).text == (
        "3.1 ± 1.0"
    )


def test_an_unknown_section_is_refused_with_the_known_ones(room, capsys):
    with pytest.raises(SystemExit):
        room.run.main(["--only", "nulls"])
    assert "detection" in capsys.readouterr().err


def test_weights_that_do_not_exist_are_named(room, tmp_path, capsys):
    argv = ["--model", "nothing-here", "--out", str(tmp_path)]
    assert room.run.main([*argv, "--cache", str(tmp_path)]) != 0
    assert "nothing-here" in capsys.readouterr().err


def test_the_calibration_finds_the_error_and_the_loss_that_were_put_in(room):
    calibrate = importlib.import_module("calibrate")
    rng = np.random.default_rng(3)
    n = 20_000
    level = np.exp(rng.uniform(0, 5, n))
    reach, err = 22 * level, np.sqrt(22 * level)
    true = err * np.exp(rng.uniform(0.5, 4, n))
    loss = 0.1 * np.exp(-true / np.hypot(err, 0.05 * reach) / 3)
    off = 0.05 * reach * rng.standard_normal(n) - loss * true
    rows = {
        "true": true, "exact": true, "counts": true + off, "err": err,
        "reach": reach, "level": level,
    }  # fmt: skip
    error = calibrate.errors(rows)
    assert [e for _, e in error] == pytest.approx([0.05] * len(error), rel=0.1)
    assert np.all(np.diff([b for b, _ in error]) > 0)
    for ratio, share in calibrate.kept(rows, error):
        assert share == pytest.approx(1 - 0.1 * np.exp(-ratio / 3), abs=0.02)
