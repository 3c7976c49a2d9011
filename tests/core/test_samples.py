"""The sample frames are whole and known by name, and one knows its truth."""

import hashlib
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core import open_image, samples
from bgrem_core.errors import UsageError


def test_every_sample_has_the_hash_that_its_readme_says():
    readme = samples.path("decam_r").with_name("README.md").read_text("utf-8")
    lines = re.findall(r"^([0-9a-f]{64})  (\S+)$", readme, re.MULTILINE)
    said = {name: sha for sha, name in lines}
    files = [samples.path(name) for name in samples.names()]
    assert {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files} == said


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("cfhtls_g", (440, 440)),
        ("decam_i", (256, 256)),
        ("decam_r", (375, 280)),
        ("photons", (128, 128)),
        ("simulated", (640, 640)),
    ],
)
def test_a_sample_opens_with_its_wcs(name, shape):
    image = open_image(samples.path(name))
    assert image.shape == shape
    assert image.wcs is not None


def test_an_unknown_sample_is_named():
    with pytest.raises(UsageError, match=r"'m31' is not known.*cfhtls_g, decam_i"):
        samples.path("m31")


def test_only_the_simulated_samples_have_a_truth():
    known = [name for name in samples.names() if samples.truth(name) is not None]
    assert known == ["photons", "satellite", "simulated"]
    with pytest.raises(UsageError, match="'m31' is not known"):
        samples.truth("m31")


def test_the_truth_is_a_table_of_what_was_put_in():
    truth = samples.truth("simulated")
    assert truth.colnames == ["x", "y", "flux", "snr", "kind", "size"]
    assert [str(truth[n].unit) for n in ("x", "y", "flux")] == ["pix", "pix", "adu"]
    assert "0-based" in truth["x"].info.description
    assert (np.diff(truth["snr"]) <= 0).all()
    assert list(truth["kind"]).count("disc") == 1
    image = open_image(samples.path("simulated"))
    for row in truth[truth["snr"] > 100]:
        x, y = (round(row[name].value) for name in ("x", "y"))
        near = image.data[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        assert near.max() > 100 + 5 * 10


def test_the_simulated_sample_says_so_and_knows_its_noise():
    with fits.open(samples.path("simulated")) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "TRUTH"]
        header = hdus["SCI"].header
        assert header["SIMULATE"] is True
        assert (header["BUNIT"], header["GAIN"]) == ("adu", 4)
    assert samples.path("simulated").stat().st_size < 400_000
    image = open_image(samples.path("simulated"))
    assert (image.unit, image.gain, image.zeropoint) == ("adu", 4, 27)
    steps = image.data[1:, 1:] - image.data[:-1, :-1]
    sigma = 1.4826 * np.median(np.abs(steps)) / 2**0.5
    assert sigma == pytest.approx(header["SIMSIGMA"], rel=0.15)  # whole ADU


def test_the_script_makes_the_same_sample_again():
    folder = Path(__file__).parents[2] / "scripts"
    made = runpy.run_path(str(folder / "make_simulated_sample.py"))
    scene, pixels = made["draw"]()
    image = open_image(samples.path("simulated"))
    # A machine that rounds otherwise may shift a pixel by one step.
    assert np.abs(pixels - image.data).max() <= 1
    assert np.mean(pixels != image.data) < 1e-3
    assert len(samples.truth("simulated")) == len(scene.truth)


def test_cleaning_the_simulated_sample_finds_what_was_put_in():
    from bgrem_core import clean, find_sources
    from bgrem_core.truth import match

    found = find_sources(clean(samples.path("simulated")))
    result = match(found, samples.truth("simulated"), fwhm=found.meta["fwhm"])
    bright = result.snr >= 10
    assert np.count_nonzero(result.hit) > 150
    assert np.count_nonzero(result.false) <= 4
    assert np.mean(result.recovered[bright]) > 0.9


def test_the_script_makes_the_same_photons_again():
    folder = Path(__file__).parents[2] / "scripts"
    patch, counts = runpy.run_path(str(folder / "make_photons_sample.py"))["draw"]()
    image = open_image(samples.path("photons"))
    assert np.mean(counts != image.data) < 1e-3
    truth = samples.truth("photons")
    assert len(truth) == len(patch.catalogue)
    assert str(truth["flux"].unit) == "ct"
    # Row 0 is the lowest, and the WCS puts the sources where they were drawn.
    l, b = patch.footprint.coordinates(  # noqa: E741
        truth["x"].value - 63.5, truth["y"].value - 63.5
    )
    sky = image.wcs.all_pix2world(truth["x"].value, truth["y"].value, 0)
    np.testing.assert_allclose(sky[0], l, atol=1e-4)
    np.testing.assert_allclose(sky[1], b, atol=1e-4)


def test_the_method_gamma_finds_the_sources_of_the_photons():
    from bgrem_core import clean, find_sources
    from bgrem_core.truth import match

    found = find_sources(clean(samples.path("photons"), method="gamma"))
    found = found[found["ts"] > 25]
    result = match(found, samples.truth("photons"), fwhm=found.meta["fwhm"])
    assert np.mean(result.recovered[result.snr >= 5]) > 0.75
    assert np.count_nonzero(result.false) <= 8


def test_the_script_makes_the_same_satellites_again():
    folder = Path(__file__).parents[2] / "scripts"
    made = runpy.run_path(str(folder / "make_satellite_sample.py"))
    frame, light, targets = made["draw"]()
    image = open_image(samples.path("satellite"))
    # A machine that rounds otherwise may shift a pixel by one step.
    away = np.abs(np.rint(frame.raw + light + made["BIAS"]) - image.data)
    assert away.max() <= 1
    assert np.mean(away > 0) < 1e-3
    truth = samples.truth("satellite")
    np.testing.assert_allclose(truth["flux"].value, targets.flux, rtol=1e-6)
    assert np.all(np.diff(truth["snr"]) < 0)


def test_the_satellites_are_found_on_the_frame_without_its_trails():
    from bgrem_core import find_sources, remove_systematics
    from bgrem_core.truth import match

    result = remove_systematics(samples.path("satellite"))
    found = find_sources(result)
    seen = match(found, samples.truth("satellite"), fwhm=2.0)
    assert seen.recovered[seen.snr >= 12].all()
    assert np.count_nonzero(seen.false) <= 5
    trails = found.meta["trails"]
    assert trails["angle"] == pytest.approx(35.3, abs=0.6)
    assert trails["length"] == pytest.approx(10.03, abs=0.2)
    assert found["mjd"][0].value == pytest.approx(61104.043096, abs=1e-5)
