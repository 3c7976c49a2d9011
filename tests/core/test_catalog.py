"""From a separation to a catalogue, and the catalogue to files and back."""

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from bgrem_core.catalog import SourceFlag, write_catalog
from bgrem_core.columns import DESCRIPTIONS, parse_unit
from bgrem_core.errors import UsageError, WriteError
from bgrem_core.find import expected_false, find_sources, find_with_segments
from bgrem_core.image import MaskBit
from bgrem_core.settings import FindSettings

sys.path.insert(0, str(Path(__file__).parent))
import fields


@pytest.fixture(scope="module")
def found():
    return find_with_segments(fields.result(), FindSettings())


@pytest.fixture(scope="module")
def table(found):
    return found[0]


def distances(table, truth, use):
    tree = KDTree(np.stack([table["x"].value, table["y"].value], 1))
    return tree.query(np.stack([truth.x[use], truth.y[use]], 1))


def test_columns_are_those_of_the_contract(table):
    assert table.colnames == list(DESCRIPTIONS)
    assert "0-based" in table["x"].info.description


def test_bright_sources_are_complete_and_few_are_false(table):
    truth = fields.scene().truth
    apart = KDTree(np.stack([truth.x, truth.y], 1)).query(
        np.stack([truth.x, truth.y], 1), k=2
    )[0][:, 1]
    distance, _ = distances(table, truth, (truth.snr > 12) & (apart > 2 * fields.FWHM))
    assert np.mean(distance < 0.6 * fields.FWHM) > 0.95
    known = KDTree(np.stack([truth.x, truth.y], 1)[truth.snr > 0.5])
    lost, _ = known.query(np.stack([table["x"].value, table["y"].value], 1))
    assert np.count_nonzero(lost > 0.6 * fields.FWHM) <= 3


def test_fluxes_are_those_of_the_stars(table):
    truth = fields.scene().truth
    use = (truth.snr > 30) & (truth.kind == 0)
    distance, index = distances(table, truth, use)
    near = distance < 1
    clean = near & (table["flags"][index] == 0)
    ratio = table["flux"].value[index][clean] / truth.flux[use][clean]
    assert np.median(ratio) == pytest.approx(1, abs=0.02)


def test_catalogue_keeps_to_its_nominal_significance(table):
    measured = table["snr"][np.isfinite(table["snr"])]
    assert len(measured)
    low = table["snr"] < 5
    large = table["npix"] > np.pi * (1.5 * table.meta["fwhm"]) ** 2
    saturated = (table["flags"] & SourceFlag.SATURATED) > 0
    assert not (low & ~large & ~saturated).any()


def test_labels_of_the_segments_are_the_ids(found):
    table, segm = found
    assert segm.dtype == np.int32
    assert np.array_equal(np.unique(segm[segm > 0]), table["id"])
    counts = np.bincount(segm.ravel(), minlength=len(table) + 1)[1:]
    assert np.array_equal(counts, table["npix"])


def test_deep_adds_sources_and_flags_the_faint_ones(table):
    deep = find_sources(fields.result(), FindSettings(deep=True))
    assert len(deep) > len(table)
    faint = deep["snr"] < 5
    assert faint.any()
    small = deep["npix"] < np.pi * (1.5 * deep.meta["fwhm"]) ** 2
    assert (deep["flags"][faint & small] & SourceFlag.FAINT).all()


def test_denoised_plane_is_searched_at_the_cards_threshold():
    asked = []

    def threshold_of(point, rho, steps):
        asked.append((point, rho, steps))
        return 0.5

    table = find_sources(
        fields.denoised_result(), FindSettings(), threshold_of=threshold_of
    )
    assert asked == [("catalogue", 0.0, 0)]
    assert table.meta["threshold"] == 0.5
    assert not table.meta["matched_filter"]


def test_uncertain_noise_takes_the_higher_threshold():
    result = fields.denoised_result()
    unsure = replace(result, scale=replace(result.scale, uncertain=True))
    table = find_sources(
        unsure, FindSettings(), threshold_of=lambda _point, rho, _steps: 0.5 + rho
    )
    assert table.meta["threshold"] == pytest.approx(0.65)


def test_partial_strength_is_searched_with_all_noise_off():
    whole = fields.denoised_result()
    half = replace(
        whole,
        parts={**whole.parts, "noise": 0.5 * whole.parts["noise"]},
        provenance=replace(whole.provenance, settings={"strength": 0.5}),
    )
    tables = [
        find_sources(r, FindSettings(threshold=0.6, min_snr=5)) for r in (whole, half)
    ]
    assert len(tables[0]) == len(tables[1])


def test_zero_strength_is_searched_with_the_matched_filter():
    raw = fields.result()
    none = replace(raw, provenance=replace(raw.provenance, settings={"strength": 0.0}),
                   parts={**raw.parts, "noise": 0 * raw.image.data})  # fmt: skip
    assert find_sources(none, FindSettings()).meta["matched_filter"]


def test_blank_noise_gives_an_empty_catalogue():
    rng = np.random.default_rng(0)
    noise = rng.normal(fields.SKY, 1, (300, 300))
    table = find_sources(fields.mesh_result(noise), FindSettings())
    assert len(table) == 0
    assert table.colnames == list(DESCRIPTIONS)


def test_masked_saturated_and_artefact_sources_are_told_apart():
    data = np.array(fields.result().image.data)
    flags = np.zeros(data.shape, np.uint8)
    truth = fields.scene().truth
    inside = np.minimum(truth.x, truth.y) > 30
    inside &= np.maximum(truth.x, truth.y) < 570
    first, second = np.argsort(-truth.snr * inside)[:2]
    for k, bit in ((first, MaskBit.SATURATED), (second, MaskBit.ARTEFACT)):
        x, y = round(truth.x[k]), round(truth.y[k])
        flags[y - 1 : y + 2, x - 1 : x + 2] = bit
    table = find_sources(fields.mesh_result(data, flags=flags), FindSettings())
    assert not (table["flags"] & SourceFlag.ARTEFACT).any()
    assert (table["flags"] & SourceFlag.SATURATED).any()


def test_expected_false_scales_with_the_area():
    assert expected_false(FindSettings(), (1000, 2000)) == 2
    assert expected_false(FindSettings(deep=True), (1000, 1000)) == 10
    assert np.isnan(expected_false(FindSettings(threshold=1.0), (1000, 1000)))


def test_meta_says_how_it_was_made(table):
    for key in ("find", "threshold", "expected_false", "negative_detections", "gain",
                "noise", "aperture_radius", "provenance"):  # fmt: skip
        assert key in table.meta
    assert table.meta["find"]["flatten"] == 64


def test_ecsv_brings_everything_back(table, tmp_path):
    from astropy.table import QTable

    path = write_catalog(table, tmp_path / "out.ecsv")
    back = QTable.read(path)
    assert back.colnames == table.colnames
    np.testing.assert_array_equal(back["flux"].value, table["flux"].value)
    assert back["flux"].unit == table["flux"].unit
    assert back.meta["provenance"]["method"] == "mesh"


@pytest.mark.parametrize("extension", ["fits", "vot", "csv"])
def test_other_tables_bring_the_numbers_back(table, tmp_path, extension):
    from astropy.table import Table

    path = write_catalog(table, tmp_path / f"out.{extension}")
    back = Table.read(path)
    assert back.colnames == table.colnames
    np.testing.assert_allclose(back["flux"], table["flux"].value)


def test_fits_table_says_what_columns_are(table, tmp_path):
    from astropy.io import fits

    path = write_catalog(table, tmp_path / "out.fits")
    with fits.open(path, checksum=True) as hdus:
        header = hdus[1].header
    assert "0-based" in header["TCOMM2"]
    assert header["TUNIT2"] == "pix"
    assert any("threshold" in line for line in header["HISTORY"])


def test_regions_lie_on_the_sources(table, tmp_path):
    lines = write_catalog(table, tmp_path / "out.reg").read_text().splitlines()
    assert "fk5" in lines
    shapes = [line for line in lines if line.startswith("ellipse")]
    assert len(shapes) == len(table)
    ra = float(shapes[0].split("(")[1].split(",")[0])
    assert ra == pytest.approx(table["ra"][0].value, abs=1e-6)


def test_regions_without_a_wcs_count_from_one(table, tmp_path):
    plain = table.copy()
    plain.meta = {}
    lines = write_catalog(plain, tmp_path / "out.reg").read_text().splitlines()
    assert "image" in lines
    x = float(next(k for k in lines if k.startswith("ell")).split("(")[1].split(",")[0])
    assert x == pytest.approx(table["x"][0].value + 1, abs=1e-3)


def test_text_that_a_spreadsheet_would_run_is_quoted(table, tmp_path):
    bad = table[:4].copy()
    bad["name"] = ["=HYPERLINK(1)", "+1", "@x", "star"]
    path = write_catalog(bad, tmp_path / "out.csv")
    with path.open(newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert names == ["'=HYPERLINK(1)", "'+1", "'@x", "star"]


def test_wrong_extension_names_the_allowed_ones(table, tmp_path):
    with pytest.raises(UsageError, match=r"out\.txt.*\.ecsv, \.csv, \.fits"):
        write_catalog(table, tmp_path / "out.txt")
    assert not list(tmp_path.iterdir())


def test_existing_file_is_kept(table, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("mine")
    with pytest.raises(WriteError, match="exists"):
        write_catalog(table, path)
    assert path.read_text() == "mine"
    write_catalog(table, path, overwrite=True)
    assert path.read_text() != "mine"


@pytest.mark.parametrize(
    ("text", "unit"),
    [("ADU", "adu"), ("electron", "electron"), ("counts", "ct"), ("nanomaggy", "nmgy"),
     ("", None), ("bananas", None)],
)  # fmt: skip
def test_units_are_parsed_where_astropy_knows_them(text, unit):
    got = parse_unit(text)
    assert (None if got is None else str(got)) in {unit, None, "nmgy"}
    assert (got is None) == (unit is None) or text == "nanomaggy"
