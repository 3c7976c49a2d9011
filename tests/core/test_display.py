"""Numbers become colours, text and pictures that do not mislead."""

import numpy as np
import pytest
from PIL import Image as Picture

from bgrem_core import display
from bgrem_core.display._panels import read_panels
from bgrem_core.display._rings import match
from bgrem_core.errors import UsageError, WriteError
from bgrem_core.image import Image
from bgrem_core.io.provenance import Provenance
from bgrem_core.normalize import Scale
from bgrem_core.planes import LazyPlane, constant
from bgrem_core.separation import Separation

NAN = float("nan")


def separation(shape=(60, 80), *, sky=100.0, sigma=5.0, data=None):
    rng = np.random.default_rng(7)
    noise = rng.normal(0, sigma or 1, shape).astype(np.float32) * bool(sigma)
    image = sky + noise if data is None else data
    flags = np.where(np.isfinite(image), 0, 1).astype(np.uint8)
    return Separation(
        image=Image(data=np.asarray(image, np.float32), flags=flags, unit="ADU"),
        parts={"sky": constant(sky, shape), "noise": noise},
        flags=flags,
        scale=Scale(
            offset=constant(sky, shape),
            sigma=constant(sigma, shape),
            median_sigma=sigma,
            fwhm=4.0,
        ),
        provenance=Provenance(version="1", method="mesh"),
        photometric=constant(0, shape),
    )


@pytest.mark.parametrize("name", display.STRETCHES)
def test_a_stretch_rises_from_first_to_last_colour(name):
    table = display.stretch_table(name)
    assert (table[0], table[-1]) == (0, 255)
    assert (np.diff(table.astype(int)) >= 0).all()


@pytest.mark.parametrize("name", display.STRETCHES)
def test_a_stretch_has_the_value_of_its_formula(name):
    formula = {
        "linear": 0.25,
        "asinh": np.arcsinh(25 * 0.25) / np.arcsinh(25),
        "log": np.log(1 + 1000 * 0.25) / np.log(1001),
        "sqrt": 0.5,
    }[name]
    quarter = display.stretch_table(name)[1024]
    assert quarter == pytest.approx(255 * formula, abs=1)


def test_an_unknown_stretch_is_named():
    with pytest.raises(UsageError, match=r"'cube' is not known.*linear, asinh"):
        display.stretch_table("cube")


def test_limits_become_the_first_and_the_last_colour():
    block = np.array([[-9.0, -1.0, 3.0, 7.0, 99.0]])
    grey = display.to_rgba(block, (-1, 7))[0, :, 0]
    assert grey.tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize("cmap", list(display.COLOUR_MAPS))
def test_a_pixel_without_a_number_has_a_colour_of_its_own(cmap):
    rgba = display.to_rgba(np.array([[NAN, 0.0, np.inf, -np.inf]]), (-1, 1), cmap=cmap)
    assert tuple(rgba[0, 0]) == display.BAD
    colours = display.COLOUR_MAPS[cmap].astype(int)
    assert np.abs(colours - display.BAD).sum(axis=1).min() > 50
    assert tuple(rgba[0, 2]) == tuple(colours[-1])
    assert tuple(rgba[0, 3]) == tuple(colours[0])


def test_the_residual_map_is_white_at_zero_and_darker_away_from_it():
    middle = display.to_rgba(np.zeros((1, 1)), (-4, 4), cmap="blue-white-orange")
    assert middle[0, 0, :3].min() > 240
    light = display.COLOUR_MAPS["blue-white-orange"][:, :3] @ [0.30, 0.59, 0.11]
    assert (np.diff(light[:128]) > 0).all()
    assert (np.diff(light[128:]) < 0).all()


@pytest.mark.parametrize("dtype", [">f4", "<f8", "uint16", "int32"])
def test_colours_do_not_depend_on_how_pixels_are_stored(dtype):
    block = np.arange(12).reshape(3, 4)
    assert np.array_equal(
        display.to_rgba(block.astype(dtype), (0, 11)), display.to_rgba(block, (0, 11))
    )


@pytest.mark.parametrize(
    "values",
    [[], [NAN] * 2, [3.0], [0.0] * 50, [1e30] * 9, [-1e-30, 1e-30], [np.inf, 2.0, 2.0]],
    ids=["none", "nan", "one", "zero", "huge", "tiny", "infinite"],
)
@pytest.mark.parametrize("limits", [display.percentile_limits, display.zscale_limits])
def test_limits_are_apart_whatever_the_pixels(values, limits):
    low, high = limits(np.array(values))
    assert np.isfinite([low, high]).all()
    assert low < high


def test_percentile_limits_leave_out_outliers():
    values = np.concatenate([np.linspace(0, 1, 1000), [1e6, -1e6]])
    low, high = display.percentile_limits(values, 1, 99)
    assert -0.01 < low < 0.02
    assert 0.98 < high < 1.01


def test_zscale_limits_are_those_of_astropy():
    from astropy.visualization import ZScaleInterval

    values = np.random.default_rng(1).normal(10, 2, (50, 50))
    expected = ZScaleInterval().get_limits(values)
    assert display.zscale_limits(values) == pytest.approx(expected)


def test_residual_limits_are_symmetric():
    assert display.symmetric_limits(2.5) == (-10, 10)
    assert display.symmetric_limits(0) == (-1, 1)
    assert display.symmetric_limits(NAN) == (-1, 1)


def test_shared_limits_show_noise_and_faint_sources():
    low, high = display.shared_limits(np.zeros((9, 9)), 3.0)
    assert low == -6
    assert high == 60


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (123.4321, 5.6, "123.4 ± 5.6"),
        (123.4321, 0.0561, "123.432 ± 0.056"),
        (45678.0, 1234.0, "45700 ± 1200"),
        (45678.0, 96.6, "45678 ± 97"),
        (-0.4, 0.12, "-0.40 ± 0.12"),
        (9.987, 0.996, "10.0 ± 1.0"),
        (1.2345e-17, 5.6e-19, "(1.234 ± 0.056)e-17"),
        (3.2e9, 1.5e7, "(3.200 ± 0.015)e9"),
        (0.0, 0.0, "0.000 ± 0"),
        (1e-320, 1e-321, "(1.00 ± 0.10)e-320"),
        (12.3456, None, "12.35"),
        (123456.0, None, "123456"),
        (0.0, None, "0.000"),
        (2.5e-9, None, "2.500e-9"),
        (7.1e12, None, "7.100e12"),
        (NAN, 1.0, "unknown"),
        (NAN, None, "unknown"),
        (12.3456, NAN, "12.35 (error unknown)"),
    ],
)
def test_a_number_has_the_digits_that_its_error_allows(value, error, text):
    assert display.format_value(value, error) == text


def test_a_unit_follows_the_number():
    assert display.format_value(10.0, 1.0, "ADU") == "10.0 ± 1.0 ADU"
    assert display.format_value(NAN, 1.0, "ADU") == "unknown"


def test_panels_of_a_small_frame_are_its_pixels():
    made = separation()
    panels = read_panels(made)
    assert panels.binned == 1
    assert np.array_equal(panels.cleaned, made.cleaned)
    assert panels.level == pytest.approx(100, abs=0.5)
    assert np.allclose(panels.original + panels.level, made.image.data)


def test_panels_of_a_large_frame_are_means_and_read_by_bands():
    shape = (2000, 1001)
    seen = []

    def ramp(rows, cols):
        seen.append(rows.stop - rows.start)
        return np.broadcast_to(
            np.arange(rows.start, rows.stop, dtype="f4")[:, None],
            (rows.stop - rows.start, cols.stop - cols.start),
        )

    made = separation(shape, data=np.zeros(shape, "f4"))
    object.__setattr__(made, "parts", {"sky": LazyPlane(shape, ramp)})
    panels = read_panels(made)
    assert panels.binned == 3
    assert panels.residual.shape == (667, 334)
    assert max(seen) <= 256
    expected = np.minimum(3 * np.arange(667) + 1, 1998.5) - panels.level
    assert np.allclose(panels.residual[:, 0], expected)
    assert panels.sigma == pytest.approx(5 / 3)


def test_bins_use_the_finite_pixels_only():
    data = np.full((1922, 1922), 7, "f4")
    data[0, 0] = np.nan
    data[2:4, 2:4] = np.nan
    made = separation(data.shape, sky=0.0, sigma=0.0, data=data)
    panels = read_panels(made)
    assert panels.binned == 3
    assert panels.original[0, 0] == 7
    assert np.isfinite(panels.original).all()


def test_a_place_in_a_panel_counts_from_the_bottom():
    panels = read_panels(separation((60, 80)))
    assert panels.size == (480, 360)
    assert panels.place(0, 0) == (3, 357)
    assert panels.place(79, 59) == (477, 3)


def test_sources_are_matched_one_to_one_nearest_first():
    found = np.array([[0.0, 0.0], [1.0, 0.0], [50.0, 50.0]])
    real = np.array([[0.9, 0.0], [20.0, 20.0]])
    hits, caught = match(found, real, radius=2)
    assert hits.tolist() == [False, True, False]
    assert caught.tolist() == [True, False]


def colours_of(path):
    with Picture.open(path) as picture:
        return np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(int)


def has(path, colour):
    return (np.abs(colours_of(path) - colour).sum(axis=1) < 30).any()


def test_the_picture_shows_hits_misses_and_false_sources(tmp_path):
    path = tmp_path / "a.png"
    catalog = {"x": [10, 40], "y": [10, 30]}
    truth = {"x": [10.5, 60], "y": [10, 50]}
    display.three_panel_png(separation(), path, catalog=catalog, truth=truth)
    assert has(path, (60, 200, 90))
    assert has(path, (245, 215, 50))
    assert has(path, (240, 70, 60))


def test_a_pixel_without_a_number_is_seen_in_the_picture(tmp_path):
    data = np.full((40, 40), 100, "f4")
    display.three_panel_png(separation((40, 40), data=data), tmp_path / "a.png")
    assert not has(tmp_path / "a.png", display.BAD[:3])
    data[20, 20] = np.nan
    display.three_panel_png(separation((40, 40), data=data), tmp_path / "b.png")
    assert has(tmp_path / "b.png", display.BAD[:3])


@pytest.mark.parametrize("shape", [(16, 16), (16, 700), (1200, 40)])
@pytest.mark.parametrize("sigma", [0.0, 5.0])
def test_a_frame_of_any_shape_and_noise_gives_a_picture(shape, sigma, tmp_path):
    path = tmp_path / "a.png"
    display.three_panel_png(separation(shape, sigma=sigma), path)
    with Picture.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width < 4000


def test_north_and_east_follow_the_wcs():
    from astropy.io.fits import Header

    from bgrem_core.display._compass import directions, pixel_scale

    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 50, "CRPIX2": 50}
    cards |= {"CRVAL1": 359.9999, "CRVAL2": 60, "CD1_1": 0, "CD2_2": 0}
    cards |= {"CD1_2": -1e-4, "CD2_1": -1e-4}
    wcs = Image(
        data=np.zeros((99, 99), "f4"),
        flags=np.zeros((99, 99), "u1"),
        header=Header(cards),
    ).wcs
    north, east = directions(wcs, (99, 99))
    assert north == pytest.approx((-1, 0), abs=1e-4)
    assert east == pytest.approx((0, -1), abs=1e-4)
    assert pixel_scale(wcs, (99, 99)) == pytest.approx(0.36, rel=1e-4)
    assert directions(None, (99, 99)) is None
    assert pixel_scale(None, (99, 99)) is None


def test_a_picture_that_exists_is_kept(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("mine")
    with pytest.raises(WriteError, match=r"a\.png exists"):
        display.three_panel_png(separation(), path)
    assert path.read_text() == "mine"
    display.three_panel_png(separation(), path, overwrite=True)
    assert path.read_bytes().startswith(b"\x89PNG")
