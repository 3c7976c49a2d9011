"""Inspection: one click, and what it depends on."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from bgrem_core.catalog import SourceFlag
from bgrem_core.errors import UsageError
from bgrem_core.find import find_sources
from bgrem_core.growth import Profile
from bgrem_core.inspection import inspect
from bgrem_core.inspection_rows import flag_words, row_help
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
    for label in (
        "Position",
        "Flux",
        "S/N (noise)",
        "FWHM",
        "Aperture",
        "Sky ring",
        "Flags",
    ):
        assert label in rows
    assert "adu" in rows["Flux"]


def test_flags_are_words():
    assert flag_words(0) == "none"
    assert flag_words(2 | 512) == "saturated, no gain"


def as_texts(seen, **changes):
    return dict(replace(seen, **changes).rows())


def test_a_position_is_told_in_hours_and_in_degrees():
    seen = inspect(fields.result(), 300, 300)
    rows = dict(seen.rows())
    at = SkyCoord(rows["RA, Dec"], unit=("hourangle", "deg"))
    assert at.ra.deg == pytest.approx(seen.ra, abs=1e-4)
    assert at.dec.deg == pytest.approx(seen.dec, abs=1e-4)
    ra, dec, unit = rows["in degrees"].split()
    assert (float(ra), float(dec)) == pytest.approx((seen.ra, seen.dec), abs=1e-5)
    assert unit == "deg"
    assert "RA, Dec" not in dict(inspect(star_result(), 60, 55).rows())


@pytest.mark.parametrize(
    ("flux", "error", "cleaned", "residual", "texts"),
    [
        (2978, 20, 2970.4, 7.6, ("2978 ± 20", "2970", "8")),
        (212.07, 9.84, 210.31, 1.76, ("212.1 ± 9.8", "210.3", "1.8")),
        (28234, 1437, 28239, -5, ("28200 ± 1400", "28200", "0")),
        (1.234e-17, 5.6e-19, 1.2e-17, 3.4e-19,
         ("(1.234 ± 0.056)e-17", "1.200e-17", "0.034e-17")),
        (2.8e6, 1e3, 2.7e6, 1e5, ("(2.8000 ± 0.0010)e6", "2.7000e6", "0.1000e6")),
        (99.6, 9.96, 99.6, 0.4, ("100 ± 10", "100", "0")),
    ],
)  # fmt: skip
def test_fluxes_have_the_decimals_of_the_first(flux, error, cleaned, residual, texts):
    rows = as_texts(
        inspect(fields.result(), 300, 300), flux=flux, flux_err=error,
        flux_cleaned=cleaned, flux_residual=residual,
    )  # fmt: skip
    labels = ("Flux", "Flux in cleaned", "Flux in residual")
    assert tuple(rows[label] for label in labels) == tuple(f"{t} adu" for t in texts)


def test_what_cleaning_kept_is_told_with_the_error_of_the_noise():
    seen = inspect(fields.result(), 300, 300)
    star = {"flux": 1000.0, "flux_err": 200.0, "snr": 50.0, "flux_cleaned": 930.0}
    rows = as_texts(seen, **star, noise_taken=1.0)
    # Not 20 %: the doubt of the aperture correction is the same in both.
    assert rows["Kept by cleaning"] == "93.0 ± 2.0 %"
    half = as_texts(seen, **star, noise_taken=0.5)
    assert half["Kept by cleaning"] == "93.0 ± 1.0 %"
    none = as_texts(seen, **star, noise_taken=0.0)
    assert none["Kept by cleaning"] == "93.00 %"


@pytest.mark.parametrize("snr", [2.9, -5.0, float("nan")])
def test_of_faint_light_it_is_unknown_what_was_kept(snr):
    seen = replace(inspect(fields.result(), 300, 300), snr=snr)
    assert np.isnan(seen.kept)
    assert np.isnan(seen.kept_err)
    assert dict(seen.rows())["Kept by cleaning"].startswith("unknown")


def test_errors_of_what_was_kept_cover_the_truth():
    result = fields.denoised_result()
    table = find_sources(result, FindSettings())
    alone = table[(table["flags"] == 0) & (table["snr"] > 8)]
    seen = [inspect(result, row["x"].value, row["y"].value) for row in alone]
    assert np.median([one.noise_taken for one in seen]) == pytest.approx(1, abs=0.05)
    # The denoiser of this test is perfect: all flux is kept.
    pulls = np.array([(one.kept - 1) / one.kept_err for one in seen])
    assert len(pulls) > 20
    assert abs(np.median(pulls)) < 0.4
    assert 0.5 < np.std(pulls) < 1.3


def test_a_method_that_takes_no_noise_keeps_the_flux_without_error():
    seen = inspect(star_result(noise=1.0), 62, 54)
    assert seen.noise_taken == 0
    assert seen.kept == pytest.approx(1, abs=1e-3)
    assert "±" not in dict(seen.rows())["Kept by cleaning"]


def test_help_is_given_for_rows_that_are_there():
    fitted = {"Flux (PSF fit)", "Photons (PSF fit)", "TS"}  # tests of photons ask
    fitted |= {"Flux (corrected)", "Kept by the map", "S/N (fit)"}  # those of targets
    fitted |= {"SNR before", "SNR after"}
    fitted |= {"Flux (star)", "S/N (star)", "Spread", "Left of it"}  # those of stars
    shown = set(dict(inspect(fields.result(), 300, 300).rows()))
    assert set(row_help()) - fitted <= shown
