"""The method "stars" in the house: parts that add up, planes, catalogue, words."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

import bgrem_core
from bgrem_core.catalog import SourceFlag
from bgrem_core.collected import Collected
from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import MaskBit, Stack
from bgrem_core.methods import METHODS
from bgrem_core.methods.stars import inspect_rows
from bgrem_core.settings import FindSettings
from bgrem_core.simulate.stars import draw_star_field, preset
from bgrem_core.stars.seen import star_at
from bgrem_core.stars.settings import DIFFUSIONS
from bgrem_core.strength import STRENGTH, at_strength, has_strength, slider_of
from bgrem_core.words import words_of

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


def away_from_stars(result):
    """Return the untouched pixel that is farthest from all stars, x and y."""
    free = np.argwhere(np.asarray(result.extras["support"]) == 0)
    x, y = (result.catalog[name].value for name in "xy")
    away = [np.min(np.hypot(x - col, y - row)) for row, col in free]
    row, col = free[int(np.argmax(away))]
    return float(col), float(row)


def percent(rows):
    """Return what is left of a star, and its error, as a window says it."""
    text = dict(rows)["Left of it"]
    return [float(word) for word in text.removesuffix(" %").split(" ± ")]


def test_a_click_on_a_star_tells_what_was_taken_and_what_is_left(result, field):
    inner = np.hypot(field.stars.x - 96, field.stars.y - 96) < 80
    k = np.flatnonzero(inner)[0]  # the brightest
    x, y = field.stars.x[k], field.stars.y[k]
    seen = bgrem_core.inspect(result, x + 1.5, y - 2)
    assert np.hypot(seen.x - x, seen.y - y) < 0.3
    row = result.catalog[seen.listed.row]
    assert (seen.flux, seen.snr) == (row["flux"], row["snr"])
    assert seen.flux_err == row["flux_err"]
    assert seen.own["spread"] == row["spread"]
    # A cut-out tells what the whole image does.
    assert seen.flux_cleaned == pytest.approx(row["flux_cleaned"], rel=1e-4)
    rows = dict(seen.rows())
    assert list(rows)[:3] == ["Position", "Flux (star)", "S/N (star)"]
    assert rows["Flux in starless"].startswith(f"{seen.flux_cleaned:.0f}"[:2])
    assert rows["Spread"].endswith("er than the PSF")
    # What the truth has there without the star, in the same circle.
    left, error = percent(seen.rows())
    col, row = np.meshgrid(*(np.arange(n) for n in SHAPE[::-1]))
    circle = np.hypot(col - x, row - y) <= seen.radius
    light = np.sum(field.starlight[0][circle])
    lost = np.sum((result.cleaned - field.starless[0])[circle])
    assert 0 < error < 10
    assert left == pytest.approx(100 * lost / light, abs=4 * error + 5)


def test_a_star_has_a_magnitude_where_there_is_a_zero_point(image):
    known = dataclasses.replace(image, zeropoint=25.0)
    result = bgrem_core.remove_stars(known)
    star = result.catalog[0]
    seen = bgrem_core.inspect(result, star["x"].value, star["y"].value)
    assert seen.mag == pytest.approx(25 - 2.5 * np.log10(star["flux"]))
    said = float(dict(seen.rows())["Magnitude"].split()[0])
    assert said == pytest.approx(seen.mag, abs=0.005)


def test_a_click_far_from_any_star_is_answered_as_for_other_methods(result):
    x, y = away_from_stars(result)
    seen = bgrem_core.inspect(result, x, y)
    assert seen.listed is None
    assert seen.flux_residual == pytest.approx(seen.flux - seen.flux_cleaned, abs=1)
    # No star, no light of stars: the slope of the sky is none.
    assert abs(seen.flux_residual) < 0.1 * seen.flux_err
    labels = list(dict(Collected(separation=result).rows(seen)))
    assert {"Flux", "Flux in starless", "Flux in stars", "FWHM"} <= set(labels)
    assert inspect_rows(result, x, y) == (("Star taken", "none here"),)


def test_what_is_left_of_a_star_follows_the_strength(result):
    star = result.catalog[1]
    at = star["x"].value, star["y"].value
    whole = bgrem_core.inspect(result, *at)
    some = bgrem_core.inspect(at_strength(result, 0.6), *at)
    assert (some.flux, some.snr) == (whole.flux, whole.snr)
    grown = percent(some.rows())[0] - percent(whole.rows())[0]
    assert grown == pytest.approx(40, abs=0.2)
    none = dict(bgrem_core.inspect(at_strength(result, 0), *at).rows())
    assert none["Left of it"] == "all: no star is taken"


def test_the_middle_of_a_star_that_was_filled_means_the_star(result):
    star = result.catalog[0]
    x, y = star["x"].value, star["y"].value
    row, col = np.ogrid[: SHAPE[0], : SHAPE[1]]
    wide = np.hypot(col - x, row - y) < 9
    filled = np.where(wide, np.uint8(MaskBit.FILLED), 0)
    covered = dataclasses.replace(result, flags=result.flags | filled)
    others = np.hypot(result.catalog["x"].value - x, result.catalog["y"].value - y)
    far = 7 * np.exp(1j * np.linspace(0, 2 * np.pi, 60))
    reach = 1.5 * result.provenance.measured["fwhm"]
    for step in far:
        at = x + step.real, y + step.imag
        near = np.hypot(
            result.catalog["x"].value - at[0], result.catalog["y"].value - at[1]
        )
        if near.min() > reach and min(at) >= 0 and max(at) < SHAPE[0] - 1:
            break
    else:
        pytest.fail("the field is too crowded")
    assert others.min() == 0
    assert star_at(result, *at) is None
    assert star_at(covered, *at) == 0


def test_clicked_stars_are_exported_as_the_method_lists_them(result):
    now = Collected(separation=result)
    star = result.catalog[2]
    now.clicked.append(now.look(*away_from_stars(result)))
    now.clicked.append(now.look(star["x"].value, star["y"].value))
    table = now.all_sources()
    assert list(table["id"]) == [1, 2]
    assert np.isnan(table["spread"][0])
    assert table["flux"][1] == star["flux"]
    assert table["spread"][1] == star["spread"]


def test_a_list_of_some_stars_does_not_hide_the_others(result):
    now = Collected(separation=result)
    now.table = bgrem_core.find_sources(result, threshold=50)
    faint = result.catalog[-1]
    assert (
        now.look(faint["x"].value, faint["y"].value).listed.row
        == len(result.catalog) - 1
    )


def test_a_share_of_the_stars_is_that_of_a_run(result, image):
    assert has_strength(result)
    half = bgrem_core.remove_stars(image, strength=0.5)
    np.testing.assert_array_equal(at_strength(result, 0.5).cleaned, half.cleaned)
    assert not has_strength(half)
    none = at_strength(result, 0)
    np.testing.assert_array_equal(none.cleaned, image.data)


def test_the_slider_counts_the_stars_that_are_in_the_image(result):
    slider = slider_of(result)
    assert slider.label == "Star amount"
    assert slider.turned(1.0) == 0
    assert slider.turned(0.7) == 0.3  # as a script would write it
    assert STRENGTH.turned(0.7) == 0.7
    assert METHODS["bgrem"].slider is STRENGTH


def test_stars_and_noise_together_add_up(image, field):
    both = bgrem_core.remove_stars(image, denoise=True)
    assert list(both.parts) == ["stars", "noise"]
    off = np.abs(both.cleaned.astype(float) + both.residual - image.data)
    assert np.all(off <= 2 * ulp(both.residual, image.data))
    away = np.abs(both.cleaned - field.clean[0])
    assert 1.4826 * np.median(away) < 0.6 * np.median(field.sigma[0])
    assert both.provenance.model == "optical"
    assert words_of(both) == ("Original", "Starless", "Stars and noise")
    # The stars are those of a run without it.
    alone = bgrem_core.remove_stars(image)
    assert words_of(alone) == ("Original", "Starless", "Stars")
    x, y = away_from_stars(alone)
    seen = [bgrem_core.inspect(result, x, y) for result in (alone, both)]
    assert seen[1].sky == pytest.approx(seen[0].sky, abs=3 * alone.scale.median_sigma)
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
    assert "no list" in dict(inspect_rows(done, 50, 50))["Star taken"]
    assert bgrem_core.inspect(done, 50, 50).listed is None
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
