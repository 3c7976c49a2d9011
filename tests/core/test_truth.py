"""Hits, misses and false detections by the rules of the house."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from hypothesis import given
from hypothesis import strategies as st

from bgrem_core.errors import UsageError
from bgrem_core.truth import FLUX_FACTOR, MATCH, match

FWHM = 5.0  # the radius is 3 pixels


def found(*xyf):
    x, y, flux = np.array(xyf, float).reshape(-1, 3).T
    return QTable({"x": x * u.pix, "y": y * u.pix, "flux": flux * u.adu})


def truth(*rows):
    """Rows of x, y, flux, snr, kind, size."""
    names = ("x", "y", "flux", "snr", "kind", "size")
    columns = list(zip(*rows, strict=True)) or [[] for _ in names]
    table = QTable({n: list(c) for n, c in zip(names, columns, strict=True)})
    for name, unit in (("x", u.pix), ("y", u.pix), ("flux", u.adu)):
        table[name] = np.array(table[name], float) * unit
    return table


STAR = (50.0, 50.0, 100.0, 20.0, "star", 0.0)


def fates(detections, rows, **kwargs):
    result = match(found(*detections), truth(*rows), fwhm=FWHM, **kwargs)
    return list(result.found_fate), list(result.truth_fate)


def test_a_detection_within_the_radius_is_a_hit_and_beyond_it_is_false():
    assert fates([(52.9, 50, 100)], [STAR]) == (["hit"], ["hit"])
    assert fates([(53.1, 50, 100)], [STAR]) == (["false"], ["miss"])


def test_the_radius_is_that_of_the_benchmarks():
    from pathlib import Path

    folder = Path(__file__).parents[2] / "benchmarks/optical"
    text = (folder / "score.py").read_text("utf-8")
    assert f"MATCH = {MATCH}" in text
    assert f"FLUX_FACTOR = {FLUX_FACTOR}" in text


def test_the_nearest_pair_comes_first_and_each_serves_once():
    two = [STAR, (53.0, 50.0, 100.0, 20.0, "star", 0.0)]
    result = match(found((51.2, 50, 100), (49, 50, 100)), truth(*two), fwhm=FWHM)
    # 49 to 50 is the closest pair, which leaves 51.2 to 53.
    assert list(result.partner) == [1, 0]
    seen = fates([(50.1, 50, 100), (50.5, 50, 100)], [STAR])
    assert seen == (["hit", "double"], ["hit"])


def test_a_flux_beyond_a_factor_of_three_is_no_hit():
    assert fates([(50, 50, 290)], [STAR]) == (["hit"], ["hit"])
    assert fates([(50, 50, 310)], [STAR]) == (["double"], ["miss"])
    assert fates([(50, 50, 30)], [STAR]) == (["double"], ["miss"])
    assert fates([(50, 50, float("nan"))], [STAR]) == (["hit"], ["hit"])


def test_fluxes_are_compared_in_one_unit_or_not_at_all():
    star = truth(STAR)
    star["flux"] = [0.1] * u.Unit("kadu")
    assert match(found((50, 50, 100)), star, fwhm=FWHM).hit.all()
    star["flux"] = [1e6] * u.electron
    assert match(found((50, 50, 100)), star, fwhm=FWHM).hit.all()


def test_faint_truth_excuses_a_detection_but_counts_for_nothing():
    faint = (50.0, 50.0, 100.0, 1.0, "star", 0.0)
    fainter = (50.0, 50.0, 100.0, 0.4, "star", 0.0)
    assert fates([(50, 50, 100)], [faint]) == (["neutral"], ["neutral"])
    assert fates([(50, 50, 900)], [faint]) == (["false"], ["neutral"])
    assert fates([(50, 50, 100)], [fainter]) == (["false"], ["neutral"])
    assert fates([(50, 50, 100)], [faint], floor=1) == (["hit"], ["hit"])


def test_pieces_of_large_sources_are_counted_apart():
    disc = (50.0, 50.0, 1e4, 18.0, "disc", 30.0)
    galaxy = (50.0, 50.0, 1e4, 90.0, "exponential", 6.0)
    assert fates([(80, 50, 100)], [disc]) == (["shred"], ["neutral"])
    assert fates([(59, 50, 100)], [galaxy]) == (["shred"], ["miss"])
    assert fates([(90, 90, 100)], [galaxy]) == (["false"], ["miss"])


def test_tables_with_positions_alone_will_do():
    one = QTable({"x": [50.0, 90.0], "y": [50.0, 90.0]})
    two = QTable({"x": [51.0], "y": [50.0]})
    result = match(one, two, fwhm=FWHM)
    assert list(result.found_fate) == ["hit", "false"]
    assert dict(result.rows())["True sources"] == "1 of 1 found"


def test_empty_lists_and_unknown_places_are_no_error():
    assert fates([], [STAR]) == ([], ["miss"])
    assert fates([(50, 50, 1)], []) == (["false"], [])
    assert fates([], []) == ([], [])
    nowhere = float("nan")
    assert fates([(nowhere, 50, 1)], [STAR]) == (["false"], ["miss"])
    assert fates([(50, 50, 100)], [(nowhere, *STAR[1:])]) == (["false"], ["neutral"])


@pytest.mark.parametrize("fwhm", [0, -1, float("nan"), float("inf")])
def test_a_width_that_is_none_is_refused(fwhm):
    with pytest.raises(UsageError, match="is not a positive number"):
        match(found(), truth(), fwhm=fwhm)


def test_a_table_without_positions_is_refused():
    with pytest.raises(UsageError, match="the truth has no columns x and y"):
        match(found(), QTable({"ra": [1.0]}), fwhm=FWHM)


def test_hits_by_chance_are_counted_on_shifted_lists():
    rng = np.random.default_rng(4)
    place = rng.uniform(0, 600, (2, 4000))
    stars = QTable({"x": place[0], "y": place[1]})
    guess = QTable(dict(zip("xy", rng.uniform(50, 550, (2, 500)), strict=True)))
    result = match(guess, stars, fwhm=FWHM)
    hits = np.count_nonzero(result.hit)
    assert result.chance == pytest.approx(hits, abs=4 * hits**0.5)
    assert match(stars, stars, fwhm=FWHM).hit.all()


places = st.lists(
    st.tuples(*[st.integers(0, 12).map(float)] * 2, st.sampled_from([1.0, 2.0, 9.0])),
    max_size=8,
)


@given(places, places)
def test_greedy_matching_agrees_with_the_obvious_version(detections, stars):
    rows = [(x, y, f, 10.0, "star", 0.0) for x, y, f in stars]
    result = match(found(*detections), truth(*rows), fwhm=FWHM)
    pairs = sorted(
        (np.hypot(dx - sx, dy - sy), n, k)
        for n, (dx, dy, df) in enumerate(detections)
        for k, (sx, sy, sf) in enumerate(stars)
        if np.hypot(dx - sx, dy - sy) <= 3 and max(df, sf) <= 3 * min(df, sf)
    )
    wanted = {}
    for _, n, k in pairs:
        if n not in wanted and k not in wanted.values():
            wanted[n] = k
    assert {n: k for n, k in enumerate(result.partner) if k >= 0} == wanted
    assert result.hit.sum() == result.recovered.sum() == len(wanted)
