"""The method "stars" in the house: parts that add up, planes, catalogue, words."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

import bgrem_core
from bgrem_core.catalog import SourceFlag
from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import MaskBit, Stack
from bgrem_core.methods import METHODS
from bgrem_core.methods.stars import inspect_rows
from bgrem_core.settings import FindSettings
from bgrem_core.simulate.stars import draw_star_field, preset
from bgrem_core.stars.settings import DIFFUSIONS
from bgrem_core.strength import at_strength, has_strength

SHAPE = (192, 192)


@pytest.fixture(scope="module")
def field():
    scene = dataclasses.replace(preset("A"), stars=90, nebula=400.0)
    return draw_star_field(np.random.default_rng(11), SHAPE, scene)


@pytest.fixture(scope="module")
def image(field):
    return bgrem_core.open_image(field.image[0], gain=1.0)


@pytest.fixture(scope="module")
def result(image):
    return bgrem_core.remove_stars(image)


@pytest.fixture(scope="module")
def colour():
    scene = dataclasses.replace(preset("RGB"), stars=90, nebula=200.0)
    return draw_star_field(np.random.default_rng(12), SHAPE, scene)


def ulp(a, b):
    return np.spacing(np.maximum(np.abs(a), np.abs(b)).astype(np.float32))


def test_starless_and_stars_add_up_and_nothing_else_changes(result, image):
    stars, data = np.asarray(result.part("stars")), image.data
    assert list(result.parts) == ["stars"]
    off = np.abs(result.cleaned.astype(float) + stars - data)
    assert np.all(off <= ulp(stars, data))
    support = np.asarray(result.extras["support"]) != 0
    assert 0 < support.mean() < 0.7
    np.testing.assert_array_equal(result.cleaned[~support], data[~support])
    filled = np.asarray(result.extras["filled"]) != 0
    assert not np.any(filled & ~support)
    np.testing.assert_array_equal(filled, (result.flags & MaskBit.FILLED) != 0)


def test_what_is_left_is_the_field_without_its_stars(result, field):
    off = result.cleaned - field.starless[0]
    assert np.sqrt(np.mean(off**2)) < 0.8 * np.median(field.sigma[0])
    light = field.starlight[0]
    assert abs(np.sum(off[field.footprint])) < 0.1 * np.sum(light[field.footprint])


def test_the_catalogue_holds_the_stars_that_were_taken(result, field):
    table = bgrem_core.find_sources(result)
    truth = field.stars
    inside = (truth.x > 4) & (truth.x < 187) & (truth.y > 4) & (truth.y < 187)
    bright = inside & (truth.flux[0] > 3000)
    assert bright.sum() > 5
    away = np.hypot(
        table["x"].value - truth.x[bright][:, None],
        table["y"].value - truth.y[bright][:, None],
    )
    assert away.min(axis=1).max() < 0.5
    nearest = away.argmin(axis=1)
    flux, left = (np.asarray(table[n])[nearest] for n in ("flux", "flux_cleaned"))
    # Wings are told by stars that stand free of nebula: few on so small a field.
    assert np.median(flux / truth.flux[0][bright]) == pytest.approx(1, abs=0.2)
    assert abs(np.median(left / truth.flux[0][bright])) < 0.1
    np.testing.assert_array_equal(table["id"], np.arange(len(table)) + 1)
    assert "relative" in table["spread"].info.description
    some = bgrem_core.find_sources(result, threshold=50)
    assert 0 < len(some) < len(table)
    assert np.all(some["snr"] >= 50)
    assert some.meta["threshold"] == 50


def test_errors_hold_sky_and_photons(result, image):
    table = result.catalog
    snr = np.asarray(table["flux"] / table["flux_err"])
    np.testing.assert_allclose(snr, table["snr"])
    unknown = bgrem_core.remove_stars(bgrem_core.open_image(image.data)).catalog
    assert np.all(unknown["flags"] & SourceFlag.NO_GAIN)
    assert not np.any(table["flags"] & SourceFlag.NO_GAIN)
    assert np.all(unknown["flux_err"] < table["flux_err"])


def test_a_click_tells_what_was_taken_and_what_is_left(result):
    row = result.catalog[0]
    said = dict(inspect_rows(result, float(row["x"].value), float(row["y"].value)))
    assert "±" in said["Star taken"]
    assert said["Left of it"].endswith("%")
    free = np.argwhere(np.asarray(result.extras["support"]) == 0)
    away = [
        np.min(np.hypot(result.catalog["x"].value - x, result.catalog["y"].value - y))
        for y, x in free
    ]
    y, x = free[int(np.argmax(away))]
    assert inspect_rows(result, x, y) == (("Star taken", "none here"),)
    seen = bgrem_core.inspect(result, float(row["x"].value), float(row["y"].value))
    assert seen.flux_residual == pytest.approx(seen.flux - seen.flux_cleaned, rel=1e-6)


def test_a_share_of_the_stars_is_that_of_a_run(result, image):
    assert has_strength(result)
    half = bgrem_core.remove_stars(image, strength=0.5)
    np.testing.assert_array_equal(at_strength(result, 0.5).cleaned, half.cleaned)
    assert not has_strength(half)
    none = at_strength(result, 0)
    np.testing.assert_array_equal(none.cleaned, image.data)


def test_stars_and_noise_together_add_up(image, field):
    both = bgrem_core.remove_stars(image, denoise=True)
    assert list(both.parts) == ["stars", "noise"]
    off = np.abs(both.cleaned.astype(float) + both.residual - image.data)
    assert np.all(off <= 2 * ulp(both.residual, image.data))
    away = np.abs(both.cleaned - field.clean[0])
    assert 1.4826 * np.median(away) < 0.6 * np.median(field.sigma[0])
    assert both.provenance.model == "optical"
    # The stars are those of a run without it.
    alone = bgrem_core.remove_stars(image)
    np.testing.assert_array_equal(both.part("stars")[:, :], alone.part("stars")[:, :])


def test_planes_share_their_stars_and_have_fluxes_of_their_own(colour):
    planes = tuple(bgrem_core.open_image(p) for p in colour.image)
    stack = Stack(planes=planes, axis_name="rgb", kind="rgb")
    result = bgrem_core.remove_stars(stack)
    assert len(result) == 3
    tables = [p.catalog for p in result.planes]
    places = [np.sort(t["x"].value) for t in tables]
    np.testing.assert_array_equal(places[0], places[1])
    np.testing.assert_array_equal(places[0], places[2])
    truth = colour.stars
    inside = (truth.x > 8) & (truth.x < 183) & (truth.y > 8) & (truth.y < 183)
    star = int(np.argmax(np.where(inside, truth.flux.mean(axis=0), 0)))
    for table, flux in zip(tables, truth.flux[:, star], strict=True):
        away = np.hypot(
            table["x"].value - truth.x[star], table["y"].value - truth.y[star]
        )
        value = np.asarray(table["flux"])[np.argmin(away)]
        assert value == pytest.approx(flux, rel=0.15)
    masks = [p.flags & MaskBit.FILLED for p in result.planes]
    np.testing.assert_array_equal(masks[0], masks[2])


def test_planes_of_different_sizes_are_refused(image):
    other = bgrem_core.open_image(image.data[:100])
    stack = Stack(planes=(image, other), axis_name="rgb", kind="rgb")
    with pytest.raises(ImageError, match="different sizes"):
        bgrem_core.remove_stars(stack)


@pytest.mark.parametrize("way", DIFFUSIONS)
def test_published_diffusions_run_and_say_what_they_do(way, image):
    steps = 5
    done = bgrem_core.remove_stars(image, way=way, iterations=steps)
    off = np.abs(done.cleaned.astype(float) + done.residual - image.data)
    assert np.all(off <= ulp(done.residual, image.data))
    assert any("spreads the light" in n for n in done.notices)
    assert len(bgrem_core.find_sources(done)) == 0
    assert inspect_rows(done, 50, 50) == (("Star taken", "none"),)
    top = np.unravel_index(np.argmax(image.data), SHAPE)
    assert done.cleaned[top] < 0.5 * image.data[top]


def test_the_command_writes_starless_stars_and_their_list(tmp_path, image):
    from bgrem_core.cli import main

    fits.writeto(tmp_path / "in.fits", image.data, fits.Header({"GAIN": 1.0}))
    code = main([
        "-f", str(tmp_path / "in.fits"), "--method", "stars", "--layers",
        "--catalog", ".ecsv", "--quiet",
    ])  # fmt: skip
    assert code == 0
    with fits.open(tmp_path / "BGRem_in.fits") as hdus:
        names = [h.name for h in hdus]
        assert "STARS" in names
        assert {"FILLED", "SUPPORT", "RESIDUAL", "MASK", "SUBTRACTED"} <= set(names)
        starless, stars = hdus[0].data, hdus["STARS"].data
        np.testing.assert_allclose(starless + stars, image.data, rtol=1e-6)
        assert hdus[0].header["BGRMETH"] == "stars"
        assert "BGRUSE" not in hdus[0].header
    table = QTable.read(tmp_path / "BGRem_in.ecsv")
    assert "spread" in table.colnames
    assert len(table) > 10


def test_a_colour_picture_comes_back_without_its_stars(tmp_path, colour):
    import tifffile

    from bgrem_core.cli import main

    scaled = np.clip(colour.image, 0, 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", np.moveaxis(scaled, 0, -1), photometric="rgb")
    assert main(["-f", str(tmp_path / "in.tif"), "--method", "stars", "--quiet"]) == 0
    with tifffile.TiffFile(tmp_path / "BGRem_in.tif") as tiff:
        back = tiff.asarray()
    assert back.shape == (*SHAPE, 3)
    light = colour.starlight.sum(axis=0)
    top = np.unravel_index(np.argmax(light), SHAPE)
    clean = colour.clean[:, top[0], top[1]]
    assert np.all(
        np.abs(back[top] - clean) < 0.15 * (scaled[:, top[0], top[1]] - clean)
    )


def test_an_image_without_stars_comes_back_bit_for_bit():
    empty = np.random.default_rng(3).normal(100, 5, (80, 90)).astype(np.float32)
    result = bgrem_core.remove_stars(empty)
    np.testing.assert_array_equal(result.cleaned, empty)
    assert any("no star" in n for n in result.notices)
    assert len(bgrem_core.find_sources(result)) == 0


def test_the_settings_are_checked():
    with pytest.raises(UsageError, match="way='starnet' is not known"):
        bgrem_core.remove_stars(np.zeros((40, 40)), way="starnet")
    assert METHODS["stars"].takes_stack


def test_what_was_assumed_is_said(result):
    lines = METHODS["stars"].assumed(result, FindSettings())
    text = " ".join(lines)
    width = result.provenance.measured["fwhm"]
    assert f"FWHM {width:.2f} pix" in text
    assert width == pytest.approx(3, abs=0.4)
    assert "--stars-threshold" in text
    assert f"{result.provenance.measured['stars']} stars taken" in text
