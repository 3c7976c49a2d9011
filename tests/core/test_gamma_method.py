"""The method "gamma": from a counts map to background, sources and a catalogue."""

import dataclasses
import json

import gamma_maps
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable
from gamma_maps import EXPOSURE, expected, header, held_out, photons, write

import bgrem_core
from bgrem_core import cli
from bgrem_core.catalog import SourceFlag
from bgrem_core.collected import Collected
from bgrem_core.errors import ImageError, ModelError, UsageError
from bgrem_core.image import MaskBit
from bgrem_core.inspection_rows import HELP
from bgrem_core.methods import METHODS
from bgrem_core.session import Session

TRUTH = [(30.25, 20.0, 400.0), (14.0, 45.5, 120.0)]


def clean(counts, head=None, **settings):
    image = bgrem_core.open_image(
        counts, header=header(counts.shape) if head is None else head
    )
    return bgrem_core.clean(image, method="gamma", **settings)


@pytest.fixture(scope="module")
def counts():
    return photons(expected((64, 64), TRUTH, 1.8), seed=11)


@pytest.fixture(scope="module")
def result(counts):
    return clean(counts, exposure=EXPOSURE)


@pytest.fixture(scope="module")
def sources(result):
    return bgrem_core.find_sources(result)


def test_the_background_is_that_of_the_held_out_sky():
    errors, missed = [], []
    for k in range(4):
        patch, seen = held_out(k, ts=False)
        done = clean(seen)
        background = done.part("background")[:, :]
        errors.append(np.log(background / patch.background))
        missed.append(done.cleaned.sum() / patch.source.sum())
    assert np.sqrt(np.mean(np.square(errors))) < 0.13
    assert abs(np.mean(errors)) < 0.03
    assert np.mean(missed) == pytest.approx(1, abs=0.15)


def test_counts_are_the_cleaned_image_and_the_background(result, counts):
    assert list(result.parts) == ["background"]
    cleaned, taken = result.cleaned, result.residual
    error = np.abs(cleaned.astype(float) + taken - counts)
    assert (error <= np.spacing(np.maximum(counts, taken))).all()
    np.testing.assert_array_equal(np.asarray(result.photometric), cleaned)
    # Never clipped: on empty sky as much lies below as above.
    assert (cleaned < 0).mean() > 0.3
    assert (taken > 0).all()


def test_what_stands_beside_the_sum(result):
    assert list(result.extras) == ["source", "exposure"]
    source = np.asarray(result.extras["source"])
    assert (source >= 0).all()
    assert np.unravel_index(source.argmax(), source.shape) == (20, 30)
    taken = np.asarray(result.part("background"))
    np.testing.assert_allclose(result.scale.sigma[:, :], np.sqrt(taken), rtol=1e-6)
    assert result.uncertainty is None
    assert result.provenance.model == "gamma"
    assert not METHODS["gamma"].scale_free


def test_tiles_equal_the_whole():
    y, x = np.mgrid[:150, :200]
    level = 1.2 + 20 * np.exp(-(((y - 0.4 * x - 40) / 20) ** 2))
    truth = [(8 + 23 * k, 10 + 16 * k, 150.0) for k in range(8)]
    seen = photons(expected((150, 200), truth, level))
    whole, parts = (clean(seen, tile=tile) for tile in (1024, 104))
    a, b = (np.asarray(r.part("background")) for r in (whole, parts))
    assert a.shape == (150, 200)
    np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        parts.extras["source"][:, :], whole.extras["source"][:, :], atol=1e-3
    )
    assert np.sqrt(np.mean(np.log(a / level) ** 2)) < 0.2


def test_blocks_arrive_as_they_will_stay(counts):
    seen = np.full(counts.shape, np.nan)
    steps = METHODS["gamma"].iterate(
        bgrem_core.open_image(counts), METHODS["gamma"].settings(tile=96)
    )
    stages = set()
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            done = end.value
            break
        stages.add(step.stage)
        if step.tile is not None:
            seen[step.tile.keep] = step.block
    assert stages == {"tiles"}
    np.testing.assert_array_equal(seen.astype("f4"), done.cleaned)


def test_outside_the_field_of_view_there_is_nothing(counts):
    y, x = np.mgrid[:64, :64]
    outside = np.hypot(y - 32, x - 32) > 28
    seen = np.where(outside, np.nan, counts)
    done = clean(seen)
    assert np.isnan(done.cleaned[outside]).all()
    assert np.isfinite(done.cleaned[~outside]).all()
    assert (done.flags[outside] & MaskBit.NON_FINITE).all()
    inner = np.hypot(y - 32, x - 32) < 22
    level = done.part("background")[:, :][inner]
    assert level.mean() == pytest.approx(1.8, rel=0.1)
    table = bgrem_core.find_sources(done, threshold=5)
    assert len(table) == 2
    assert table["counts"][0].value == pytest.approx(400, rel=0.2)


def test_values_under_the_mask_change_nothing(counts):
    mask = np.zeros(counts.shape, bool)
    mask[43:45, 5:25] = True
    tables, taken = [], []
    for value in (0, 9000):
        seen = counts.copy()
        seen[mask] = value
        image = bgrem_core.open_image(seen, mask=mask, header=header())
        done = bgrem_core.clean(image, method="gamma")
        taken.append(np.asarray(done.part("background")))
        tables.append(bgrem_core.find_sources(done))
    np.testing.assert_array_equal(*taken)
    np.testing.assert_array_equal(*(t["ts"] for t in tables))
    near = np.hypot(tables[0]["x"].value - 14, tables[0]["y"].value - 45.5) < 1.5
    assert (tables[0]["flags"][near] & SourceFlag.MASKED).all()


def test_the_catalogue_has_flux_error_ts_and_flags(sources):
    strong = sources[sources["ts"] > 25]
    assert len(strong) == 2
    for row, (x, y, true) in zip(strong, TRUTH, strict=True):
        assert np.hypot(row["x"].value - x, row["y"].value - y) < 0.5
        assert abs(row["counts"].value - true) < 4 * row["counts_err"].value
        assert row["flux"].unit.is_equivalent("ph / (cm2 s)")
        assert row["flux"].value == pytest.approx(row["counts"].value / EXPOSURE)
        assert row["flux_err"].value == pytest.approx(
            row["counts_err"].value / EXPOSURE
        )
        assert row["snr"] == pytest.approx(
            row["counts"].value / row["counts_err"].value
        )
    faint = (sources["flags"] & SourceFlag.FAINT) != 0
    np.testing.assert_array_equal(faint, sources["ts"] < 25)
    assert sources["ts"].min() >= 9
    assert list(sources["id"]) == list(range(1, len(sources) + 1))
    for name in ("x_fits", "ra", "mag", "flux_cleaned", "npix"):
        assert name in sources.colnames
    assert sources.meta["provenance"]["model"] == "gamma"


def test_the_threshold_is_the_root_of_the_least_ts(result, sources):
    table = bgrem_core.find_sources(result, threshold=5)
    assert table.meta["ts_least"] == 25
    assert len(table) == (sources["ts"] >= 25).sum()


def test_without_an_exposure_there_are_counts_and_a_notice(counts, sources):
    done = clean(counts)
    assert any("without --gamma-exposure" in n for n in done.notices)
    assert "exposure" not in done.extras
    table = bgrem_core.find_sources(done)
    assert str(table["flux"].unit) == "ct"
    np.testing.assert_array_equal(table["flux"].value, sources["counts"].value)


@pytest.mark.parametrize(
    ("proj", "frame", "centre"),
    [
        ("TAN", "G", (40.0, 50.0)),
        ("CAR", "G", (100.0, 0.0)),
        ("CAR", "G", (184.6, -35.8)),
        ("TAN", "E", (266.0, -29.0)),
    ],
)
def test_places_are_on_the_sky(counts, proj, frame, centre):
    from astropy.coordinates import SkyCoord
    from astropy.wcs import WCS

    head = header(proj=proj, frame=frame, centre=centre)
    table = bgrem_core.find_sources(clean(counts, head), threshold=5)
    truth = WCS(head).pixel_to_world(*TRUTH[0][:2]).icrs
    found = SkyCoord(table["ra"][0], table["dec"][0])
    assert found.separation(truth).deg < 0.05


def test_errors_of_places_are_in_degrees(sources):
    assert 0.02 < sources["place_err"][0].to_value("deg") < 0.08


# Exposure


def exposure_map(path, *, proj="CAR", centre=(0, 0), shape=(91, 180), pixel=2.0, **k):
    """Write a map in which the exposure rises with the Galactic latitude."""
    from astropy.wcs import WCS

    head = header(shape, proj=proj, pixel=pixel, centre=centre)
    y, x = np.mgrid[: shape[0], : shape[1]]
    latitude = WCS(head).all_pix2world(x, y, 0)[1]
    data = EXPOSURE * (1 + latitude / 180)
    fits.writeto(path, data.astype("f4"), head, overwrite=True)
    return path


@pytest.mark.parametrize("frame", ["G", "E"])
def test_an_exposure_map_is_sampled_where_the_sources_are(counts, tmp_path, frame):
    from astropy.coordinates import SkyCoord

    path = exposure_map(tmp_path / "exposure.fits")
    # Across the seam of the map's longitudes.
    centre = (179.0, 30.0) if frame == "G" else (80.0, 10.0)
    done = clean(counts, header(frame=frame, centre=centre), exposure=str(path))
    table = bgrem_core.find_sources(done)
    b = SkyCoord(table["ra"], table["dec"]).galactic.b.deg
    ratio = table["counts"].value / table["flux"].value
    np.testing.assert_allclose(ratio, EXPOSURE * (1 + b / 180), rtol=2e-3)


def test_a_number_and_a_flat_map_give_equal_fluxes(counts, sources, tmp_path):
    path = tmp_path / "exposure.fits"
    head = header((40, 40), pixel=1.0)
    fits.writeto(path, np.full((40, 40), EXPOSURE / 1e4, "f4"), head)
    fits.setval(path, "BUNIT", value="m2 s")
    table = bgrem_core.find_sources(clean(counts, exposure=str(path)))
    np.testing.assert_allclose(table["flux"].value, sources["flux"].value, rtol=1e-6)
    said = bgrem_core.find_sources(clean(counts, exposure="1.9e11"))
    np.testing.assert_allclose(said["flux"].value, sources["flux"].value, rtol=1e-6)


def energies_map(path, energies):
    head = header((40, 40), pixel=1.0)
    data = np.stack([np.full((40, 40), 1e11 * np.log(e)) for e in energies])
    table = fits.BinTableHDU.from_columns(
        [fits.Column("Energy", "D", "MeV", array=np.array(energies, float))],
        name="ENERGIES",
    )
    primary = fits.PrimaryHDU(data.astype("f4"), head)
    fits.HDUList([primary, table]).writeto(path, overwrite=True)
    return str(path)


def test_an_exposure_cube_is_averaged_over_the_band(counts, tmp_path):
    path = energies_map(tmp_path / "cube.fits", (500, 1000, 2000, 4000))
    done = clean(counts, exposure=path)
    value = float(done.extras["exposure"][32:33, 32:33][0, 0])
    e = np.geomspace(1000, 2000, 1001)
    weight = e**-2.4 * e
    truth = 1e11 * np.average(np.log(e), weights=weight)
    assert value == pytest.approx(truth, rel=1e-3)
    assert any("averaged over 1 to 2 GeV" in n for n in done.notices)


def test_exposures_that_cannot_be_used_are_named(counts, tmp_path):
    far = header((40, 40), pixel=0.5, centre=(200, -60))
    fits.writeto(tmp_path / "far.fits", np.full((40, 40), 2e11, "f4"), far)
    fits.writeto(tmp_path / "bare.fits", np.full((40, 40), 2e11, "f4"))
    late = energies_map(tmp_path / "late.fits", (10000, 20000))
    for said, message in (
        ("nowhere.fits", "neither a number nor a file"),
        (str(tmp_path / "far.fits"), "does not cover the image"),
        (str(tmp_path / "bare.fits"), "has no WCS"),
        (late, "is for 10 to 20 GeV, not for 1 to 2 GeV"),
        (3.0, "an exposure of 3 cm2 s is too small"),
        ("nan", "too small"),
    ):
        with pytest.raises((UsageError, ImageError, OSError), match=message):
            clean(counts, exposure=said)
    with pytest.raises(UsageError, match=r"no WCS.*--gamma-exposure"):
        bgrem_core.clean(counts, method="gamma", exposure=str(tmp_path / "far.fits"))


def test_a_map_that_covers_a_part_gives_fluxes_there(counts, tmp_path):
    path = tmp_path / "part.fits"
    # Its upper edge cuts the map.
    head = header((60, 60), centre=(40.0, 44.0))
    fits.writeto(path, np.full((60, 60), EXPOSURE, "f4"), head)
    done = clean(counts, exposure=str(path))
    assert any("does not cover" in n for n in done.notices)
    table = bgrem_core.find_sources(done, threshold=5)
    assert np.isfinite(table["flux"][0].value)
    assert np.isnan(table["flux"][1].value)
    assert np.isfinite(table["counts"]).all()


# What cannot be used, or not without a word


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n - 2, "negative pixels, down to -2"),
        (lambda n: 0 * n, "all pixels of the counts map are zero"),
        (lambda n: n / 3, "are not whole numbers.*--gamma-anyway"),
    ],
)
def test_what_are_no_counts_is_refused(counts, change, message):
    with pytest.raises(ImageError, match=message):
        clean(change(counts))


def test_fractions_of_counts_are_taken_if_one_insists(counts):
    done = clean(counts / 3, anyway=True)
    assert any("not whole numbers" in n for n in done.notices)
    with pytest.raises(ImageError, match="negative"):
        clean(counts - 2, anyway=True)


def test_a_map_without_a_wcs_is_taken_at_the_pixels_of_the_model(counts, result):
    done = bgrem_core.clean(counts, method="gamma")
    assert any("no WCS: pixels of 0.2 deg assumed" in n for n in done.notices)
    np.testing.assert_array_equal(done.cleaned, result.cleaned)
    assert np.isnan(bgrem_core.find_sources(done)["ra"].value).all()


@pytest.mark.parametrize(("pixel", "word"), [(0.05, "fine"), (0.5, "coarse")])
def test_other_pixels_need_a_word(counts, pixel, word):
    head = header(pixel=pixel)
    message = f"{pixel} deg are too {word} .* trained on 0.2 deg.*binsz=0.2"
    with pytest.raises(ImageError, match=message):
        clean(counts, head)
    done = clean(counts, head, anyway=True)
    assert any(f"too {word}" in n for n in done.notices)
    assert done.scale.fwhm * pixel == pytest.approx(2.37 * 0.2, rel=0.01)


def test_pixels_that_shrink_over_the_map_are_noticed(counts):
    assert not any("sides of pixels" in n for n in clean(counts).notices)
    head = header(proj="CAR", centre=(0.0, 0.0))
    head["CRPIX2"] = -250.0
    head["CRPIX1"] = 32.5
    done = clean(counts, head, anyway=True)
    assert any("sides of pixels" in n for n in done.notices)


def test_photons_of_other_energies_or_types_are_noticed(counts, result):
    assert not any("GeV" in n or "FRONT" in n for n in result.notices)
    head = header()
    head["DSVAL1"] = "3000:30000"
    head["DSTYP2"], head["DSVAL2"] = "BIT_MASK(EVENT_TYPE,3,P8R3)", "1:1"
    notices = " ".join(clean(counts, head).notices)
    assert "the photons have 3 to 30 GeV" in notices
    assert "event type 3 is not FRONT" in notices
    for key in ("DSTYP1", "DSTYP2"):
        del head[key]
    assert "tells no energies" in " ".join(clean(counts, head).notices)
    head["E_MIN"], head["E_MAX"] = 1000.0, 2000.0
    assert "GeV" not in " ".join(clean(counts, head).notices)


def test_another_method_s_model_is_refused(counts):
    with pytest.raises(ModelError, match="is for the method bgrem"):
        clean(counts, model="optical")


# Cubes and HEALPix


def cube(path, counts, edges, unit="keV"):
    """Write a CCUBE; edges in MeV."""
    factor = {"keV": 1e3, "MeV": 1.0}[unit]
    low, high = np.array(edges[:-1]) * factor, np.array(edges[1:]) * factor
    planes = np.stack([counts if k == 1 else 0 * counts + k for k in range(len(low))])
    columns = [
        fits.Column("CHANNEL", "I", array=np.arange(len(low)) + 1),
        fits.Column("E_MIN", "1E", unit, array=low),
        fits.Column("E_MAX", "1E", unit, array=high),
    ]
    bounds = fits.BinTableHDU.from_columns(columns, name="EBOUNDS")
    head = header(counts.shape)
    head["DSVAL1"] = f"{edges[0]}:{edges[-1]}"
    head["CTYPE3"], head["CRVAL3"], head["CDELT3"] = "Energy", edges[0], 1.0
    head["CRPIX3"] = 1.0
    primary = fits.PrimaryHDU(planes.astype(np.int32), head)
    fits.HDUList([primary, bounds]).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize("unit", ["keV", "MeV"])
def test_of_a_cube_the_plane_of_the_model_is_taken(counts, tmp_path, unit):
    path = cube(tmp_path / "ccube.fits", counts, (500, 1000, 2000, 4000), unit)
    done = bgrem_core.clean(path, method="gamma")
    np.testing.assert_array_equal(done.image.data, counts)
    assert "plane 1 of the cube: 1 to 2 GeV" in done.notices
    assert not any("trained on" in n for n in done.notices)
    other = bgrem_core.clean(path, method="gamma", plane="2")
    assert any("have 2 to 4 GeV (EBOUNDS)" in n for n in other.notices)


def test_a_cube_without_the_band_names_its_energies(counts, tmp_path, capsys):
    path = cube(tmp_path / "ccube.fits", counts, (3000, 10000, 30000))
    assert cli.main(["-f", str(path), "--method", "gamma"]) == 2
    error = capsys.readouterr().err
    assert "0: 3 to 10 GeV, 1: 10 to 30 GeV" in error
    assert "--plane" in error


def test_a_cube_of_other_bins_takes_the_best_one_and_says_so(counts, tmp_path):
    path = cube(tmp_path / "ccube.fits", counts, (500, 900, 1900, 4000))
    done = bgrem_core.clean(path, method="gamma")
    assert any("the photons have 0.9 to 1.9 GeV" in n for n in done.notices)


@pytest.mark.parametrize("hdu", [[], ["-i", "1"]])
def test_a_healpix_map_is_refused_with_the_line_that_cuts_a_patch(
    tmp_path, capsys, hdu
):
    column = fits.Column("CHANNEL1", "D", array=np.ones(192))
    table = fits.BinTableHDU.from_columns([column], name="SKYMAP")
    table.header["PIXTYPE"], table.header["NSIDE"] = "HEALPIX", 4
    path = tmp_path / "healpix.fits"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    assert cli.main(["-f", str(path), "--method", "gamma", *hdu]) == 4
    error = capsys.readouterr().err
    assert "HEALPix" in error
    assert "gtbin algorithm=CMAP" in error


# The command, the windows, what is written


def test_the_command_writes_map_layers_and_catalogue(counts, tmp_path, capsys):
    path = write(tmp_path / "counts.fits", counts)
    arguments = ["--gamma-exposure", "1.9e11", "--catalog", ".ecsv", "--layers"]
    # The card of the model names the method.
    assert cli.main(["-f", str(path), "--model", "gamma", *arguments]) == 0
    said = capsys.readouterr().out
    for words in (
        "photons of 1 to 2 GeV", "exposure 1.9e+11 cm2 s (--gamma-exposure)",
        "sources from TS 9 on", "false detections unknown",
    ):  # fmt: skip
        assert words in said
    assert "--sky-scale" not in said
    table = QTable.read(tmp_path / "BGRem_counts.ecsv")
    assert table["flux"].unit.is_equivalent("ph / (cm2 s)")
    assert (table["ts"] > 25).sum() == 2
    with fits.open(tmp_path / "BGRem_counts.fits") as hdus:
        names = [hdu.name for hdu in hdus]
        assert {"BACKGROUND", "SOURCE", "EXPOSURE", "SUBTRACTED"} <= set(names)
        assert hdus[0].header["BGRMETH"] == "gamma"
        assert hdus[0].header["CTYPE1"] == "GLON-TAN"
        whole = hdus[0].data + hdus["BACKGROUND"].data
        np.testing.assert_allclose(whole, counts, atol=1e-4)


@pytest.mark.parametrize("kind", [".csv", ".fits", ".vot", ".reg"])
def test_every_catalogue_can_be_written(sources, tmp_path, kind):
    from bgrem_core.catalog import write_catalog

    path = write_catalog(sources, tmp_path / f"sources{kind}")
    assert path.stat().st_size > 500


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-n", "2"], 2, "--norm belongs to --method bgrem"),
        (["--sky-scale", "64"], 2, "--sky-scale belongs to --method"),
        (["-m", "0"], 2, "--minimum belongs to --method bgrem"),
        (["--gamma-exposure", "none.fits"], 3, "neither a number nor a file"),
        (["--gamma-exposure", "1"], 2, "too small"),
        (["--model", "optical"], 6, "is for the method bgrem"),
    ],
)
def test_wrong_usage_has_its_exit_code(
    counts, tmp_path, capsys, arguments, code, message
):
    path = write(tmp_path / "counts.fits", counts)
    assert cli.main(["-f", str(path), "--method", "gamma", *arguments]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_flags_of_gamma_are_none_of_the_others(counts, tmp_path, capsys):
    path = write(tmp_path / "counts.fits", counts)
    assert cli.main(["-f", str(path), "--gamma-exposure", "1e11"]) == 2
    assert "--gamma-exposure belongs to --method gamma" in capsys.readouterr().err


def test_bad_counts_end_with_code_4_and_json(tmp_path, capsys):
    path = write(tmp_path / "counts.fits", np.zeros((64, 64)))
    assert cli.main(["-f", str(path), "--method", "gamma", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["code"] == 4


def test_command_and_python_give_equal_bits(counts, tmp_path, result):
    path = write(tmp_path / "counts.fits", counts)
    assert cli.main(["-f", str(path), "--method", "gamma", "--quiet"]) == 0
    written = fits.getdata(tmp_path / "BGRem_counts.fits")
    assert written.astype("f4").tobytes() == result.cleaned.tobytes()


def test_a_click_shows_flux_error_and_ts_in_place_of_apertures(result, sources):
    collected = Collected(separation=result, table=sources)
    first = sources[0]
    seen = collected.look(first["x"].value, first["y"].value)
    rows = dict(collected.rows(seen))
    assert rows["Flux (PSF fit)"].endswith("ph / (cm2 s)")
    assert rows["Photons (PSF fit)"].endswith("ct")
    assert float(rows["TS"]) == pytest.approx(first["ts"], rel=0.05)
    assert seen.flux == pytest.approx(first["flux"].value, rel=0.03)
    assert seen.flux_unit == collected.flux_unit == str(sources["flux"].unit)
    assert {"Flux (PSF fit)", "Photons (PSF fit)", "TS"} <= set(HELP) & set(rows)
    for label in ("Aperture", "Sky ring", "Flux in cleaned"):
        assert label not in rows
    collected.clicked.append(collected.look(50, 10))
    whole = collected.all_sources()
    assert len(whole) == len(sources) + 1
    assert whole["ts"][-1] < 25
    assert whole["flux"].unit == sources["flux"].unit


def test_a_click_on_no_maximum_is_taken_as_it_is(result):
    y, x = np.unravel_index(np.argmin(_smooth(result.cleaned)), result.shape)
    seen = bgrem_core.inspect(result, x, y)
    assert (seen.x, seen.y) == (x, y) or seen.snr > 0
    near = bgrem_core.inspect(result, 31.0, 20.8)
    assert np.hypot(near.x - 30.25, near.y - 20.0) < 0.6
    assert near.found


def _smooth(image):
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(image, 1.0)


def test_without_an_exposure_a_click_shows_photons(counts):
    done = clean(counts)
    collected = Collected(separation=done)
    seen = collected.look(30, 20)
    rows = dict(collected.rows(seen))
    assert "without --gamma-exposure" in rows["Flux (PSF fit)"]
    assert (seen.flux_unit, seen.snr > 10) == ("ct", True)


def test_places_can_be_measured(result, sources):
    x, y = (sources[n].value for n in ("x", "y"))
    known = dataclasses.replace(result, catalog=sources)
    table = bgrem_core.measure(known, x, y)
    np.testing.assert_allclose(table["ts"], sources["ts"], rtol=0.02, atol=0.3)
    np.testing.assert_array_equal(table["flags"], sources["flags"])
    off = bgrem_core.measure(result, [-20.0, 30.0], [5.0, 20.0])
    assert np.isnan(off["ts"][0])
    assert off["ts"][1] > 100


def test_a_session_previews_runs_finds_and_inspects(counts):
    session = Session(bgrem_core.open_image(counts, header=header()))
    session.choose("gamma", exposure=EXPOSURE)
    session.preview((slice(0, 48), slice(8, 64)))
    assert session.wait(60)
    assert session.error is None
    assert session.previewed.shape == (48, 56)
    session.start()
    assert session.wait(60)
    session.find()
    assert session.wait(60)
    assert (session.sources["ts"] > 25).sum() == 2
    assert session.inspect(30, 20).flux > 1e-9
    assert "exposure=190000000000.0" in session.as_python()


def test_the_psf_of_a_window_is_that_of_the_photons(result):
    assert result.scale.fwhm == pytest.approx(gamma_maps.PSF.fwhm)
    assert result.scale.source == "Poisson"


def test_what_a_window_s_table_shows_beside_the_common_columns(counts):
    result = clean(counts)
    now = Collected(separation=result, table=bgrem_core.find_sources(result))
    assert now.columns == (("ts", "TS", 1),)
    seen = now.look(30.0, 20.0)
    row = bgrem_core.measure(now.measured, [seen.x], [seen.y])[0]
    assert seen.own == {"ts": pytest.approx(float(row["ts"]))}
    assert seen.own["ts"] > 100


def test_methods_without_columns_of_their_own_add_none():
    image = np.random.default_rng(1).normal(100, 5, (64, 64))
    now = Collected(separation=bgrem_core.clean(image, method="mesh"))
    assert now.columns == ()
    assert now.look(20.0, 20.0).own == {}


def test_photons_that_another_method_is_given_are_noticed(counts):
    image = bgrem_core.open_image(counts, header=header(counts.shape))
    said = bgrem_core.clean(image).notices
    assert any("use --method gamma" in notice for notice in said)
    plain = bgrem_core.clean(counts).notices
    assert not any("gamma" in notice for notice in plain)
