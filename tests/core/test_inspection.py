"""Inspection: one click, and what it depends on."""

import sys
from pathlib import Path

import numpy as np
import pytest

from bgrem_core.catalog import SourceFlag
from bgrem_core.errors import UsageError
from bgrem_core.find import find_sources
from bgrem_core.growth import Profile
from bgrem_core.inspection import flag_words, inspect
from bgrem_core.settings import FindSettings

sys.path.insert(0, str(Path(__file__).parent))
import fields


def star_result(flux=3000.0, x=60.3, y=55.6, noise=0.0, **kwargs):
    row, col = np.mgrid[:120, :120].astype(float)
    light = flux * Profile(fwhm=fields.FWHM).density(col - x, row - y)
    rng = np.random.default_rng(2)
    return fields.mesh_result(
        light + fields.SKY + noise * rng.standard_normal(light.shape), **kwargs
    )


def test_click_beside_a_star_finds_its_centre_and_flux():
    seen = inspect(star_result(), 62, 54)
    assert seen.found
    assert (seen.x, seen.y) == pytest.approx((60.3, 55.6), abs=0.05)
    assert seen.flux == pytest.approx(3000, rel=0.02)
    assert seen.fwhm == pytest.approx(fields.FWHM, rel=0.03)
    assert seen.flux_cleaned == pytest.approx(3000, rel=0.02)
    assert abs(seen.flux_residual) < seen.flux_err


def test_click_on_empty_sky_measures_the_click():
    seen = inspect(star_result(), 20, 100)
    assert not seen.found
    assert (seen.x, seen.y) == (20, 100)
    assert abs(seen.snr) < 3


def test_answer_depends_only_on_the_pixel_and_the_result():
    result = fields.result()
    one = inspect(result, 300.2, 299.7)
    inspect(result, 20, 30)
    two = inspect(result, 300.2, 299.7)
    assert (one.flux, one.x, one.flags) == (two.flux, two.x, two.flags)
    np.testing.assert_array_equal(one.original.growth, two.original.growth)


def test_curves_grow_to_the_total_and_fall_outwards():
    seen = inspect(star_result(), 60, 56)
    assert seen.original.growth[-1] == pytest.approx(3000, rel=0.05)
    assert (np.diff(seen.original.profile[:8]) < 0).all()
    assert len(seen.radii) == len(seen.original.profile) == len(seen.residual.growth)


def test_inspection_agrees_with_the_catalogue():
    from dataclasses import replace

    result = fields.result()
    table = find_sources(result, FindSettings())
    result = replace(result, catalog=table)
    clean = np.flatnonzero((table["flags"] == 0) & (table["snr"] > 20))[:10]
    assert len(clean)
    for row in table[clean]:
        seen = inspect(result, row["x"].value, row["y"].value)
        assert seen.x == pytest.approx(row["x"].value, abs=0.15)
        assert abs(seen.flux - row["flux"].value) < 2 * row["flux_err"].value
        assert seen.ra == pytest.approx(row["ra"].value, abs=1e-4)


def test_edge_and_nan_are_flagged_not_raised():
    result = star_result(x=1.0, y=55.0)
    assert inspect(result, 0, 55).flags & SourceFlag.TRUNCATED
    data = np.array(star_result().image.data)
    data[55, 60] = np.nan
    flags = np.where(np.isfinite(data), 0, 1).astype(np.uint8)
    assert inspect(fields.mesh_result(data, flags=flags), 60, 55).flags & 8


def test_all_nan_neighbourhood_gives_nan_not_an_error():
    data = np.full((80, 80), np.nan)
    flags = np.ones(data.shape, np.uint8)
    seen = inspect(fields.mesh_result(data, flags=flags), 40, 40)
    assert not seen.found
    assert np.isnan(seen.peak)


@pytest.mark.parametrize(("x", "y"), [(-1, 5), (5, 1e9), (float("nan"), 5)])
def test_click_outside_is_a_usage_error(x, y):
    with pytest.raises(UsageError, match="outside the image"):
        inspect(star_result(), x, y)


def test_rows_speak_to_people():
    pytest.importorskip("bgrem_core.display")
    rows = dict(inspect(fields.result(), 300, 300).rows())
    for label in ("Position", "Flux", "S/N", "FWHM", "Aperture", "Sky ring", "Flags"):
        assert label in rows
    assert "adu" in rows["Flux"]


def test_flags_are_words():
    assert flag_words(0) == "none"
    assert flag_words(2 | 512) == "saturated, no gain"
