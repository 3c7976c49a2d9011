"""The search for point sources in photons, against slow and obvious versions."""

import numpy as np
import pytest
from gamma_maps import PSF, expected, held_out, photons
from scipy import integrate, optimize

from bgrem_core.gamma.psf import REACH, WINGS, PointSpread
from bgrem_core.gamma.search import find_points, fit_points
from bgrem_core.simulate.gamma_psf import profile


def share_of_pixel(dy, dx, pixel=0.2):
    """Integrate the profile over one pixel whose centre is (dy, dx) pixels away."""

    def inside(v, u):
        return profile(np.hypot(v, u) * pixel) * pixel**2

    return integrate.dblquad(
        inside, dx - 0.5, dx + 0.5, dy - 0.5, dy + 0.5, epsabs=1e-7
    )[0]


def direct(counts, background, row):
    """Maximise the likelihood over place and flux with scipy; give (x, y, S, TS)."""
    i, j = round(row[0]), round(row[1])
    window = (slice(j - REACH, j + REACH + 1), slice(i - REACH, i + REACH + 1))
    n, b = counts[window].astype(float), background[window]
    cut = slice(WINGS - REACH, WINGS + REACH + 1)

    def model(p):
        x, y, s = p
        return b + s * PSF.stamp(y - j, x - i)[cut, cut]

    def twice(p):
        m = model(p)
        return 2 * (m - n * np.log(m)).sum()

    best = optimize.minimize(
        twice, row[:3], method="Nelder-Mead",
        options={"xatol": 1e-4, "fatol": 1e-6, "maxiter": 4000},
    )  # fmt: skip
    return (*best.x, twice((i, j, 0.0)) - best.fun)


@pytest.mark.parametrize("place", [(0, 0), (0.31, -0.2), (-0.5, 0.44), (0.49, 0.5)])
def test_a_stamp_holds_the_photons_of_each_pixel(place):
    stamp = PSF.stamp(*place)
    for j, i in ((0, 0), (1, -1), (-2, 0), (5, 3)):
        truth = share_of_pixel(j - place[0], i - place[1])
        assert stamp[WINGS + j, WINGS + i] == pytest.approx(truth, rel=0.01, abs=2e-5)
    assert 0.98 < stamp.sum() <= 1


def test_a_source_that_moves_into_the_next_pixel_does_not_jump():
    left, right = PSF.stamp(0.1, 0.5), PSF.stamp(0.1, -0.5)
    np.testing.assert_allclose(left[:, 1:], right[:, :-1], atol=1e-6)


def test_slopes_of_a_stamp_are_those_of_differences():
    at, step = np.array([0.13]), 0.03
    stamp, along_y, along_x = PSF.windows(at, at)
    up, right = PSF.windows(at + step, at)[0], PSF.windows(at, at + step)[0]
    np.testing.assert_allclose(along_y, (up - stamp) / step, atol=2e-5)
    np.testing.assert_allclose(along_x, (right - stamp) / step, atol=2e-5)


@pytest.mark.parametrize(("counts", "level"), [(25, 1.0), (60, 1.5), (400, 20.0)])
def test_ts_flux_and_place_are_those_of_a_direct_maximisation(counts, level):
    background = np.full((48, 48), level)
    seen = photons(expected((48, 48), [(24.3, 22.6, counts)], level), seed=counts)
    found = find_points(seen, background, PSF)
    k = int(np.argmin(np.hypot(found.x - 24.3, found.y - 22.6)))
    # Sources found elsewhere lie in the background of this one.
    rest = [
        row
        for j, row in enumerate(zip(found.x, found.y, found.counts, strict=True))
        if j != k
    ]
    around = expected((48, 48), rest, level)
    x, y, s, ts = direct(seen, around, (found.x[k], found.y[k], found.counts[k]))
    assert found.ts[k] == pytest.approx(ts, abs=0.1)
    assert found.counts[k] == pytest.approx(s, rel=0.01)
    assert np.hypot(found.x[k] - x, found.y[k] - y) < 0.25 * found.place_err[k]


def test_a_fit_at_a_place_has_the_flux_and_the_error_of_the_likelihood():
    background = np.full((40, 40), 3.0)
    seen = photons(expected((40, 40), [(20.25, 19.0, 90)], 3.0), seed=4)
    at = np.array([20.25]), np.array([19.0])
    fit = fit_points(seen, background, PSF, *at)
    cut = slice(WINGS - REACH, WINGS + REACH + 1)
    p = PSF.stamp(0.0, 0.25)[cut, cut]
    n = seen[19 - REACH : 20 + REACH, 20 - REACH : 21 + REACH]

    def twice(s):
        return 2 * (s * p - n * np.log(3.0 + s * p)).sum()

    best = optimize.minimize_scalar(twice, bounds=(0, 1000), method="bounded")
    assert fit.counts[0] == pytest.approx(best.x, rel=1e-3)
    assert fit.ts[0] == pytest.approx(twice(0) - best.fun, abs=0.01)
    # The error is where the likelihood has fallen by a half.
    rise = twice(best.x + fit.counts_err[0]) - best.fun
    assert rise == pytest.approx(1, abs=0.15)


def test_fewer_photons_than_background_are_no_source():
    background = np.full((40, 40), 3.0)
    seen = photons(background, seed=2)
    seen[17:24, 17:24] = 0
    fit = fit_points(seen, background, PSF, np.array([20.0]), np.array([20.0]))
    assert (fit.counts[0], fit.ts[0]) == (0, 0)
    assert fit.counts_err[0] > 0


def test_flux_and_place_are_as_good_as_their_errors_say():
    rng = np.random.default_rng(8)
    y, x = np.mgrid[20:480:24, 20:480:24].astype(float)
    x += rng.uniform(-0.5, 0.5, x.shape)
    y += rng.uniform(-0.5, 0.5, y.shape)
    places = np.stack([x.ravel(), y.ravel()], 1)
    truth = [(*place, 70.0) for place in places]
    background = np.full((500, 500), 1.5)
    seen = photons(expected(background.shape, truth, 1.5), seed=9)
    fit = fit_points(seen, background, PSF, *places.T)
    pull = (fit.counts - 70) / fit.counts_err
    assert abs(pull.mean()) < 4 / len(pull) ** 0.5
    assert 0.9 < pull.std() < 1.1
    found = find_points(seen, background, PSF, least=25)
    away = np.hypot(found.x[:, None] - places[:, 0], found.y[:, None] - places[:, 1])
    near = away.min(axis=1)
    real = near < 2.5
    assert real.sum() > 0.97 * len(places)
    assert (~real).sum() <= 1
    # A round normal distribution holds 68 % within 1.51 sigma.
    held = (near[real] < 1.51 * found.place_err[real]).mean()
    assert held == pytest.approx(0.68, abs=0.1)


def test_two_sources_beside_each_other_are_two():
    background = np.full((48, 48), 1.5)
    truth = [(20.0, 24.0, 300), (24.5, 24.5, 200)]
    seen = photons(expected((48, 48), truth, 1.5), seed=3)
    found = find_points(seen, background, PSF, least=25)
    assert len(found) == 2
    for k, (x, y, counts) in enumerate(truth):
        assert np.hypot(found.x[k] - x, found.y[k] - y) < 0.5
        assert abs(found.counts[k] - counts) < 4 * found.counts_err[k]


def test_a_very_bright_source_is_one():
    background = np.full((64, 64), 2.0)
    seen = photons(expected((64, 64), [(31.7, 30.4, 2e4)], 2.0), seed=6)
    found = find_points(seen, background, PSF, least=25)
    assert len(found) == 1
    assert found.counts[0] == pytest.approx(2e4, rel=0.03)
    assert np.hypot(found.x[0] - 31.7, found.y[0] - 30.4) < 0.03


def test_on_the_background_alone_hardly_anything_reaches_25():
    above, nine = 0, 0
    for k in range(12):
        patch, counts = held_out(k, sources=False, ts=False)
        found = find_points(counts, patch.background, PSF)
        nine += len(found)
        above += int((found.ts > 25).sum())
    # Some 300 independent places a patch: chi-squared / 2 has 0.4 above 9.
    assert above == 0
    assert 0 < nine < 12 * 3


def test_simulated_sources_are_found_with_their_flux():
    hits, wanted, pulls = 0, 0, []
    for k in range(6):
        patch, counts = held_out(k)
        c = patch.catalogue
        psf = PointSpread(0.2)
        found = find_points(counts, patch.background, psf)
        inside = (abs(c.x - 31.5) < 28) & (abs(c.y - 31.5) < 28)
        for x, y, true in np.stack([c.x, c.y, c.counts], 1)[(c.ts > 36) & inside]:
            wanted += 1
            away = np.hypot(found.x - x, found.y - y)
            if away.min() < 2:
                j = int(np.argmin(away))
                hits += 1
                pulls.append((found.counts[j] - true) / found.counts_err[j])
    assert wanted > 25
    assert hits > 0.9 * wanted
    assert abs(np.median(pulls)) < 1


def test_what_lies_under_the_mask_does_not_matter():
    background = np.full((48, 48), 2.0)
    seen = photons(expected((48, 48), [(24.0, 24.0, 300)], 2.0), seed=5)
    good = np.ones(seen.shape, bool)
    good[:, 27:33] = False
    one, two = seen.copy(), seen.copy()
    one[~good], two[~good] = 5000, np.nan
    a, b = (find_points(n, background, PSF, good=good) for n in (one, two))
    np.testing.assert_array_equal(a.ts, b.ts)
    assert abs(a.counts[0] - 300) < 4 * a.counts_err[0]
    assert 0.5 < a.seen[0] < 0.95
    whole = find_points(seen, background, PSF)
    assert a.counts_err[0] > whole.counts_err[0]


def test_far_parts_of_a_map_know_nothing_of_each_other():
    one, two = (
        photons(expected((64, 64), [(30, 20 + 9 * k, 150)], 1.5), seed=k)
        for k in (1, 2)
    )
    gap = np.full((64, 2 * WINGS + 2 * REACH), np.nan)
    both = np.concatenate([one, gap, two], axis=1)
    level = np.full(both.shape, 1.5)
    whole = find_points(both, level, PSF)
    parts = [find_points(n, level[:, :64], PSF) for n in (one, two)]
    ts = np.sort(np.concatenate([p.ts for p in parts]))[::-1]
    # One of them may have been fitted once more, as something was found in the other.
    np.testing.assert_allclose(whole.ts, ts, rtol=0.02)


def test_known_sources_belong_to_the_background_of_a_fit():
    background = np.full((48, 48), 1.5)
    seen = photons(expected((48, 48), [(20, 24, 400), (26, 24, 80)], 1.5), seed=7)
    known = tuple(np.array([v]) for v in (20.0, 24.0, 400.0))
    at = np.array([26.0]), np.array([24.0])
    alone = fit_points(seen, background, PSF, *at)
    told = fit_points(seen, background, PSF, *at, others=known)
    assert alone.counts[0] > told.counts[0]
    assert abs(told.counts[0] - 80) < 3 * told.counts_err[0]
    # A source is not its own background.
    own = tuple(np.array([v]) for v in (26.2, 24.0, 80.0))
    same = fit_points(seen, background, PSF, *at, others=own)
    assert same.counts[0] == pytest.approx(alone.counts[0], rel=0.01)


def test_a_map_that_is_all_sources_comes_to_an_end():
    seen = photons(np.full((40, 40), 50.0), seed=1)
    found = find_points(seen, np.full((40, 40), 0.0), PSF)
    assert len(found) <= 0.05 * seen.size + 64
    assert np.isfinite(found.ts).all()
