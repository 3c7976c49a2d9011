"""The benchmarks of star removal: measures by hand, pages from data, a toy run."""

import argparse
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling.models import Sersic2D
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio

FOLDER = Path(__file__).parents[1] / "benchmarks" / "stars"
NAMES = ("published", "rivals", "spread", "table2")
PARTS = (
    "run", "arms", "bench", "cache", "examples", "figures", "fingerprint", "further",
    "jobs", "lines", "quality", "real", "report", "star_scenes", "scoring", "shapes",
    "targets",
)  # fmt: skip
FALSE, SPARE = -1, -2


@pytest.fixture
def room(monkeypatch):
    """Import the scripts as they are started: from their own folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield argparse.Namespace(**{n: importlib.import_module(n) for n in NAMES})
    for name in set(sys.modules) - before:
        where = getattr(sys.modules[name], "__file__", None) or ""
        if Path(where).parent == FOLDER:
            del sys.modules[name]


def test_a_constant_is_all_of_the_error_until_it_is_taken_off(room):
    truth = np.random.default_rng(1).integers(60, 120, (20, 30)).astype(float)
    image = truth + 15
    image[0, 0] += 600 * 0.3
    got = room.published.measure(truth, image)
    assert got["bias"] == pytest.approx(15.3)
    assert got["mae"] == pytest.approx(15.3)
    assert got["rmse"] == pytest.approx(np.sqrt((599 * 15**2 + 195**2) / 600))
    assert got["psnr"] == pytest.approx(20 * np.log10(255 / got["rmse"]))
    rest = np.sqrt((599 * 0.3**2 + 179.7**2) / 600)
    assert got["psnr_level"] == pytest.approx(20 * np.log10(255 / rest))


def test_errors_in_bytes_wrap_around(room):
    truth, image = np.array([[10.0, 10, 10]]), np.array([[11.4, 9, 300]])
    # -1 is 255, 1 is 1, and 10 less the clipped 255 is 11.
    assert room.published.wrapped(truth, image) == pytest.approx((255 + 1 + 11) / 3)


def test_light_of_stars_is_drawn_and_counted(room, monkeypatch):
    fluxes = room.spread.FAINTEST, room.spread.BRIGHTEST
    _, starless, stars = room.spread.field(np.random.default_rng(1))
    assert room.spread.STARS * fluxes[0] < stars.sum() < room.spread.STARS * fluxes[1]
    assert starless.min() > room.spread.SKY
    monkeypatch.setattr(room.spread, "STEPS", (1, 30))
    row = room.spread.left(0)
    assert row["below white, 30"] < row["below white, 1"] < 1.02
    assert row["all, 1"] < row["below white, 1"]


def test_without_the_pictures_nothing_is_written(room, tmp_path, monkeypatch, capsys):
    out = tmp_path / "results"
    monkeypatch.setattr(
        sys, "argv", ["table2.py", "--data", str(tmp_path), "--out", str(out)]
    )
    assert room.table2.main() == 0
    assert "skipped: no figure2a.jpg" in capsys.readouterr().out
    assert not out.exists()


def test_the_page_is_that_of_the_data_beside_it(room):
    results = FOLDER / "results"
    data = json.loads((results / "table2.json").read_text())
    page = (results / "table2.md").read_text()
    assert room.table2.report(data).strip() == page.strip()
    assert set(data["table"]["rows"]) > {*room.rivals.DIFFUSIONS, *room.rivals.FILTERS}


# The benchmark of all arms


@pytest.fixture(scope="module")
def bench():
    """Import the scripts, with few steps and a method whose result is known."""
    patch = pytest.MonkeyPatch()
    before = set(sys.modules)
    patch.syspath_prepend(str(FOLDER))
    modules = argparse.Namespace(**{n: importlib.import_module(n) for n in PARTS})
    patch.setattr(importlib.import_module("common.bootstrap"), "DRAWS", 20)
    patch.setattr(modules.arms, "STEPS", 3)
    patch.setattr(modules.jobs, "REPEATS", 1)
    patch.setattr(modules.further, "DENSITIES", (900,))
    patch.setattr(modules.figures, "DPI", 50)

    def toy(image, method="psf", fwhm=None):
        """Fill what stands out of a median; as if it had been told all."""
        smooth = ndimage.median_filter(image, 9)
        off = image - smooth
        mask = off > (6 if method == "psf" else 4) * off.std() * (fwhm or 3) / 3
        starless = np.where(mask, smooth, image)
        y, x = np.nonzero(mask & (image == ndimage.maximum_filter(image, 5)))
        return modules.arms.Removed(
            starless=starless, stars=image - starless, support=mask, filled=mask,
            x=x, y=y, words="a toy",
        )  # fmt: skip

    patch.setitem(modules.arms.WAYS, "own", (toy, ()))
    yield modules
    patch.undo()
    for name in set(sys.modules) - before:
        where = getattr(sys.modules[name], "__file__", None) or ""
        if Path(where).parent == FOLDER:
            del sys.modules[name]


@pytest.fixture(scope="module")
def galaxies(bench):
    return bench.star_scenes.draw("D", "development", 3, 0, 256)


@pytest.fixture(scope="module")
def streaked(bench):
    return bench.star_scenes.draw("S", "development", 3, 0, 256)


def test_likeness_is_that_of_another_program_and_of_its_formula(bench):
    rng = np.random.default_rng(1)
    truth = rng.uniform(100, 900, (12, 14))
    image = truth + rng.normal(3, 20, truth.shape)
    got = bench.scoring.likeness(truth, image)
    span = np.percentile(truth, 99.9) - truth.min()
    assert bench.scoring.range_of(truth) == span
    wanted = peak_signal_noise_ratio(truth, image, data_range=span)
    assert got["psnr"] == pytest.approx(wanted)
    assert got["mae"] == pytest.approx(np.mean(np.abs(image - truth)))
    values = []
    for j in range(12 - 6):
        for i in range(14 - 6):
            a, b = (p[j : j + 7, i : i + 7].ravel() for p in (truth, image))
            c = np.cov(a, b)
            one, two = (0.01 * span) ** 2, (0.03 * span) ** 2
            values.append(
                (2 * a.mean() * b.mean() + one) * (2 * c[0, 1] + two)
                / (a.mean() ** 2 + b.mean() ** 2 + one) / (c[0, 0] + c[1, 1] + two)
            )  # fmt: skip
    assert got["ssim"] == pytest.approx(np.mean(values))


def test_light_that_is_left_is_a_share_of_what_was_there(bench):
    truth = np.full((20, 20), 5.0)
    stars = np.zeros((20, 20))
    stars[4, 4], stars[10, 12] = 100, 300
    image, where = truth + stars, stars > 0
    left = bench.scoring.share_left
    assert left(image, truth, image, where) == 1
    assert left(image, truth, truth, where) == 0
    assert left(image, truth, truth + stars / 4, where) == pytest.approx(0.25)
    assert left(image, truth, truth - stars / 10, where) == pytest.approx(-0.1)
    out = truth.copy()
    out[4, 4] += 60
    shares = bench.scoring.lefts(image, truth, out, [(4, 4), (12, 10), (17, 17)], 3)
    assert shares[:2] == pytest.approx([0.6, 0])
    assert np.isnan(shares[2])


def test_errors_inside_and_outside_are_in_units_of_the_noise(bench):
    error, sigma = np.zeros((4, 4)), np.full((4, 4), 2.0)
    where = np.zeros((4, 4), bool)
    where[0, :2] = True
    error[0, 0], error[3, 3] = 4, 14
    assert bench.scoring.spread(error, sigma, where) == pytest.approx(2**0.5)
    assert bench.scoring.spread(error, sigma, ~where) == pytest.approx(14**-0.5 * 7)
    assert np.isnan(bench.scoring.spread(error, sigma, where & ~where))


def test_a_circle_has_the_pixels_whose_centres_are_in_it(bench):
    assert len(bench.scoring.circle((9, 9), 4, 4, 1)) == 5
    assert len(bench.scoring.circle((9, 9), 4, 4, 2)) == 13
    assert bench.scoring.circle((9, 9), 4.5, 4, 0.6).tolist() == [40, 41]
    # Half of it lies outside.
    assert sorted(bench.scoring.circle((3, 9), 0, 0, 1)) == [0, 1, 9]


def test_each_star_answers_for_one_of_a_list(bench):
    x, y = np.array([10.0, 30.0, 33.0, 80.0]), np.array([10.0, 30.0, 30.0, 5.0])
    listed = bench.scoring.listed
    at = np.array([10.5, 9.5, 31.6, 50.0]), np.array([10.0, 10.0, 30.0, 50.0])
    known, false = listed(x, y, at)
    assert known.tolist() == [True, False, True, False]
    assert false == 1
    both = np.array([31.6, 32.0]), np.array([30.0, 30.0])
    assert listed(x, y, both)[0].tolist() == [False, True, True, False]
    assert listed(x, y, (np.zeros(0), np.zeros(0)))[1] == 0
    assert listed(np.zeros(0), np.zeros(0), at)[1] == 4


def test_means_leave_out_scenes_without_a_value(bench):
    picks = np.array([[0, 1, 2], [0, 0, 2], [1, 1, 1]])
    got = bench.scoring.means([1.0, float("nan"), 4.0], picks)
    assert got[:2] == pytest.approx([2.5, 2])
    assert np.isnan(got[2])


def test_stars_have_the_signal_to_noise_of_a_fit_with_the_psf(bench):
    s = bench.star_scenes.draw("A", "development", 3, 1, 128)
    k = int(np.argmin(np.hypot(s.x - 64, s.y - 64)))
    psf = bench.star_scenes.stamp(s.psf, 40)
    there = s.sigma[round(s.y[k]), round(s.x[k])]
    rng = np.random.default_rng(2)
    noise = rng.normal(0, there, (400, *psf.shape))
    fluxes = (noise * psf).sum((1, 2)) / np.sum(psf**2)
    assert s.snr[k] == pytest.approx(s.flux[k] / fluxes.std(), rel=0.12)
    assert s.x.min() >= -0.5
    assert s.y.max() < 127.5
    again = bench.star_scenes.draw("A", "development", 3, 1, 128)
    assert np.array_equal(s.image, again.image)
    other = bench.star_scenes.draw("A", "test", 3, 1, 128)
    assert not np.array_equal(s.image, other.image)


def test_a_galaxys_change_is_that_of_its_own_light(bench, galaxies):
    s = galaxies
    assert bench.shapes.changes(s, s.starless) == [0] * len(s.galaxies)
    less = s.starless - np.float32(0.2) * s.galaxy_light
    assert bench.shapes.changes(s, less) == pytest.approx(
        [-0.2] * len(s.galaxies), abs=1e-3
    )


def lone(bench, **shape):
    """Give a scene with nothing but a galaxy in the middle, without noise."""
    values = {"x": 40.0, "y": 40.0, "flux": 5e4, "radius": 4.0, "index": 1.5,
              "axis_ratio": 0.7, "angle": 0.5} | shape  # fmt: skip
    from bgrem_core.simulate.nebula import Galaxies

    truth = Galaxies(**{k: np.array([v]) for k, v in values.items()})
    psf = bench.star_scenes.psf_of(bench.further.PRESETS["A"])
    model = bench.shapes.Profile(40, bench.star_scenes.stamp(psf, 40), values["flux"])
    q = values["axis_ratio"]
    e = (1 - q) / (1 + q)
    light = model([
        0, np.log(values["radius"]), np.log(values["index"]),
        e * np.cos(2 * values["angle"]), e * np.sin(2 * values["angle"]),
        values["x"] - 40, values["y"] - 40,
    ])  # fmt: skip
    sky = np.full(light.shape, 200.0)
    return argparse.Namespace(
        galaxies=truth, psf=psf, galaxy_light=light, sky=sky, clean=sky + light,
        starless=sky + light, sigma=np.sqrt(sky + light), image=sky + light,
    )  # fmt: skip


def test_asymmetry_is_twice_the_light_beside_the_centre(bench):
    s = lone(bench)
    assert bench.shapes.asymmetry(s, s.clean, 0) == pytest.approx(0, abs=1e-6)
    there = bench.scoring.circle(s.clean.shape, 40, 40, 3 * np.hypot(4, 1.5))
    total = s.galaxy_light.ravel()[there].sum()
    out = s.clean.copy()
    out[44, 42] += 3e3
    wanted = 2 * 3e3 / (total + 3e3)
    assert bench.shapes.asymmetry(s, out, 0) == pytest.approx(wanted, rel=1e-5)
    noise = np.random.default_rng(3).normal(0, 2, out.shape)
    assert bench.shapes.asymmetry(s, out + noise, 0) == pytest.approx(wanted, abs=0.01)


def test_the_profile_is_that_of_another_program(bench):
    spike = np.zeros((61, 61))
    spike[30, 30] = 1
    model = bench.shapes.Profile(30, spike, 1e4)
    n, radius, q, angle = 1.2, 6.0, 0.6, 0.4
    e = (1 - q) / (1 + q)
    p = [0, np.log(radius), np.log(n), e * np.cos(2 * angle), e * np.sin(2 * angle)]
    got = model([*p, 0.3, -0.2])
    other = Sersic2D(
        amplitude=1, r_eff=radius, n=n, x_0=30.3, y_0=29.8, ellip=1 - q, theta=angle
    )
    fine = (np.arange(61 * 3) - 1) / 3
    dx, dy = np.meshgrid(fine, fine)
    wanted = other(dx, dy).reshape(61, 3, 61, 3).mean(axis=(1, 3))
    ratio = got[10:50, 10:50] / wanted[10:50, 10:50]
    assert np.ptp(ratio) / ratio.mean() < 0.01
    assert 0.9 < got.sum() / 1e4 < 1


@pytest.mark.parametrize("index", [0.9, 2.5])
def test_the_index_of_a_galaxy_is_found_again(bench, index):
    s = lone(bench, index=index)
    noise = np.random.default_rng(1).normal(0, 1, s.sigma.shape) * s.sigma
    assert bench.shapes.sersic(s, s.clean, 0) == pytest.approx(index, rel=0.03)
    assert bench.shapes.sersic(s, s.clean + noise, 0) == pytest.approx(index, rel=0.1)


def test_light_of_streaks_is_kept_by_their_own_profile(bench, streaked):
    s = streaked
    whole = bench.lines.kept(s, s.starless)
    assert [v for v in whole["whole"] if v == v] == pytest.approx(
        [1] * sum(v == v for v in whole["whole"])
    )
    lights = list(bench.star_scenes.streak_lights(s))
    assert np.allclose(sum(lights), s.streak_light, atol=1e-3)
    less = bench.lines.kept(s, s.starless - np.float32(0.3) * lights[0])
    assert less["off stars"][0] == pytest.approx(0.7, abs=1e-3)


def test_a_line_is_found_at_its_angle_and_place(bench):
    rng = np.random.default_rng(4)
    angle, at = 25.0, (100.0, 60.0)
    y, x = np.mgrid[:128, :160].astype(float)
    turn = np.radians(angle)
    away = (x - at[0]) * np.sin(turn) - (y - at[1]) * np.cos(turn)
    image = rng.normal(1000, 10, x.shape) + 25 * np.exp(-0.5 * (away / 1.3) ** 2)
    score, normal, rho = bench.lines.lines(image)
    streak = bench.lines.Streak(x=at[0], y=at[1], angle=angle, length=150)
    got = bench.lines.fates([streak, None], normal, rho)
    assert got[0] == 0
    assert score[0] > 2 * score[1:].max(initial=0)
    assert got.count(0) == 1


def test_lines_near_a_streak_have_its_fate(bench):
    streaks = [
        bench.lines.Streak(x=50, y=20, angle=0, length=80), None,
        bench.lines.Streak(x=10, y=50, angle=90, length=80),
    ]  # fmt: skip
    # Normals: rows are at 90 or -90 degrees, columns at 0.
    angle = np.array([-90.0, 89.0, 45.0, 0.0, 90.0])
    away = np.array([-21.0, 20.0, 30.0, 12.0, 40.0])
    wanted = [0, SPARE, FALSE, 2, FALSE]
    assert bench.lines.fates(streaks, angle, away) == wanted


def test_streaks_are_counted_where_so_many_lines_are_false(bench):
    rows = [
        {"score": np.array([9.0, 8, 6, 5]), "fate": np.array([0, FALSE, 1, SPARE]),
         "streaks": 2},
        {"score": np.array([7.0, 4, 3]), "fate": np.array([FALSE, 0, FALSE]),
         "streaks": 2},
    ]  # fmt: skip
    found = bench.lines.found_at
    assert found(rows, 0) == pytest.approx(1 / 4)
    assert found(rows, 0.5) == pytest.approx(1 / 4)
    assert found(rows, 1) == pytest.approx(3 / 4)
    assert np.isnan(found([{**rows[0], "streaks": 0}], 1))


def test_code_is_the_same_until_it_does_something_else(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench.fingerprint, "ROOTS", (tmp_path,))

    def digest(one, two, **more):
        (tmp_path / "one.py").write_text(one)
        (tmp_path / "two.py").write_text(two)
        bench.fingerprint.digest.cache_clear()
        return bench.fingerprint.digest("one", **more)

    plain = digest("from two import f\n", "def f():\n    return 1\n")
    words = '"""Words."""\nfrom two import f  # more\n'
    assert digest(words, 'def f():\n    "Words."\n\n    return 1\n') == plain
    assert digest("from two import f\n", "def f():\n    return 2\n") != plain
    apart = digest("from two import f\n", "1\n", apart=("two",))
    assert digest("from two import f\n", "2\n", apart=("two",)) == apart


def test_a_method_that_is_not_here_is_named(bench, monkeypatch):
    monkeypatch.setitem(
        bench.arms.WAYS, "own", (bench.arms.own, ("bgrem_core.stars.not_there",))
    )
    here, absent = bench.arms.present()
    assert [a.way for a in here].count("own") == 0
    assert len(absent) == 2
    assert absent[1] == "psf (ours): no bgrem_core.stars.not_there here"


def test_filters_and_diffusions_keep_the_level_of_a_flat_field(bench):
    rng = np.random.default_rng(6)
    image = rng.normal(300, 15, (64, 64)).astype(np.float32)
    image[10:30, 10:30] += 400
    for arm in bench.arms.ARMS:
        out = arm.run(image).starless
        assert out.shape == image.shape
        assert np.median(out) == pytest.approx(300, abs=10), arm.name


def test_a_shallow_hollow_is_a_hole_and_a_star_is_none(bench):
    y, x = np.mgrid[:192, :192].astype(float)
    image = np.random.default_rng(8).normal(100, 5, x.shape)
    image += 800 * np.exp(-0.5 * np.hypot(x - 150, y - 40) ** 2 / 1.5**2)
    hollow = 6 * np.exp(-0.5 * np.hypot(x - 60, y - 90) ** 2 / 8**2)
    assert bench.real._holes(image, image, 3.5) == 0
    assert bench.real._holes(image, image - hollow, 3.5) == 1
    sigma = bench.real.sep.Background(image).globalrms
    assert bench.real._counts(image - 100, sigma, 3.5) == (1, 1)
    wide = 300 * np.exp(-0.5 * np.hypot(x - 100, y - 150) ** 2 / 6**2)
    assert bench.real._counts(image - 100 + wide, sigma, 3.5) == (1, 2)


# A toy run


@pytest.fixture(scope="module")
def toy(bench, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stars")
    (folder / "data" / "cfhtls").mkdir(parents=True)
    frame = bench.star_scenes.draw("A", "development", 3, 2, 128).image
    fits.writeto(folder / "data" / "cfhtls" / "CFHTLS-test_g.fits", frame)
    own = ["--scenes", "2", "--side", "128", "--sets", "A", "D", "S"]
    own += ["--cache", str(folder / "kept"), "--out", str(folder)]
    own += ["--data", str(folder / "data"), "--seed", "3"]
    assert bench.run.main(own) == 0
    return own, folder


@pytest.fixture(scope="module")
def first(toy):
    return json.loads((toy[1] / "benchmark.json").read_text())


def test_a_toy_run_fills_all_sections(bench, first, toy):
    assert list(first["sections"]) == list(bench.run.SECTIONS)
    page = (toy[1] / "benchmark.md").read_text()
    assert bench.report.markdown(first).strip() == page.strip()
    for section in page.split("\n## ")[1:]:
        rows = [line for line in section.splitlines() if line.startswith("|")]
        assert len(rows) > 2, section
        assert len({row.replace("\\|", "").count("|") for row in rows}) == 1, section
    assert "skipped: eso085: no eso085/aligned_eso085-030-004.fit" in page
    arms = first["sections"]["quality"]["A"]["arms"]
    assert set(arms) == {a.name for a in bench.arms.ARMS}
    assert arms["nothing"]["left"][0] == 1
    assert arms["nothing"]["changed"] == [0, 0]
    assert arms["psf (ours)"]["beyond"] == 0
    assert arms["psf (ours)"]["ulps"] <= 1
    kept = first["sections"]["streaks"]["arms"]["the starless truth"]["off stars"]
    assert kept == [1, 0]
    assert not list(toy[1].glob("*.new"))
    assert len(list((toy[1] / "kept").glob("real_cfhtls_*.png"))) == 3


def test_targets_are_those_that_were_set(bench, first):
    found = {t.what: t for t in bench.targets.targets(first["sections"])}
    assert found["PSNR of A, dB"].aim == "at least 47"
    assert found["PSNR of D, dB"].stretch == "at least 46"
    assert found["light of streaks kept, off the stars"].within == (0.95, 1.05)
    assert len(found["PSNR above Cohen & Lu 2021, n = 200, dB, A, D"].pairs) == 2
    outside = "pixels changed, and filled, outside of the support, A, D, S"
    assert found[outside].verdict == "yes"
    assert len(found) == 13


def test_pictures_are_small(toy):
    pytest.importorskip("matplotlib")
    pictures = list(toy[1].glob("*.png"))
    assert len(pictures) == 3
    assert all(p.stat().st_size < 300_000 for p in pictures)


def test_a_second_run_computes_nothing_and_parts_keep_the_rest(bench, first, toy):
    o = bench.run.options([*toy[0], "--only", "quality", "speed"])
    again = json.loads(json.dumps(bench.run.run(o)))
    assert first["cache"]["computed"] > 0
    assert again["cache"]["computed"] == 0
    assert again["sections"] == first["sections"]


def test_development_scenes_are_written_elsewhere(bench, tmp_path):
    o = bench.run.options(["--development", "--cache", str(tmp_path)])
    assert o.kind == "development"
    assert o.out == tmp_path / "development"
    assert bench.run.options([]).out == FOLDER / "results"
