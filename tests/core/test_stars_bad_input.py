"""Bad input to the removal of stars, row by row: refused, left as it is, or handled.

Each row is a kind of image, and says for each way what becomes of it: "refused" with
words that help, "same" bit for bit with a notice, or "done". Whatever is done, starless
and stars sum to the image, and nothing outside of the support changes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest
from astropy.io import fits

import bgrem_core
from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import MaskBit
from bgrem_core.methods import METHODS
from bgrem_core.settings import FindSettings
from bgrem_core.simulate.stars import draw_star_field, preset
from bgrem_core.stars.chao_tsai import chao_tsai
from bgrem_core.stars.perona_malik import perona_malik
from bgrem_core.stars.settings import DIFFUSIONS

SIDE = 128
SHAPE = (SIDE, SIDE)
FITTED = ("psf", "mask")
WAYS = (*FITTED, *DIFFUSIONS)


@cache
def scene(name="A", seed=4, **changes):
    usual = {"stars": 40, "nebula": 400.0}
    chosen = replace(preset(name, SHAPE), **(usual | changes))
    return draw_star_field(np.random.default_rng(seed), SHAPE, chosen)


def plain():
    return scene().image[0].copy()


def colour():
    return scene("RGB", nebula=200.0).image


def remove(image, way="psf", **settings):
    if way in DIFFUSIONS:
        settings = {"iterations": 6} | settings
    return bgrem_core.remove_stars(image, way=way, **settings)


def planes_of(result):
    return result.planes if hasattr(result, "planes") else (result,)


def check(separation):
    """What holds for each result, whatever the image was."""
    data, cleaned = separation.image.data, np.asarray(separation.cleaned)
    stars = np.asarray(separation.part("stars")[:, :])
    support = np.asarray(separation.extras["support"][:, :]) != 0
    filled = np.asarray(separation.extras["filled"][:, :]) != 0
    finite = np.isfinite(data)
    assert np.isfinite(cleaned[finite]).all()
    assert np.isfinite(stars[finite]).all()
    assert np.isnan(stars[~finite]).all()
    same = ~finite | ~support
    np.testing.assert_array_equal(
        cleaned[same].view(np.uint32), data[same].view(np.uint32)
    )
    assert not (filled & ~support).any()
    step = np.spacing(np.maximum(np.abs(data), np.abs(stars))[finite])
    whole = cleaned.astype(np.float64) + stars
    assert (np.abs(whole - data)[finite] <= step).all()
    assert len(bgrem_core.find_sources(separation)) <= len(separation.catalog)
    assert METHODS["stars"].assumed(separation, FindSettings())


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: an image, and what becomes of it."""

    row: str
    build: Callable[[], object]
    fate: str = "done"
    # Part of the error or of a notice.
    words: str = ""
    ways: tuple[str, ...] = WAYS
    options: dict = field(default_factory=dict)


# What is built ------------------------------------------------------------------


def with_holes():
    image = plain()
    image[30:70, 40:90] = np.nan
    image[:, 100:104] = np.nan
    return image


def with_infinities():
    image = plain()
    image[20, 20], image[50:55, 50] = np.inf, -np.inf
    return image


def no_star():
    return np.random.default_rng(1).normal(100, 5, SHAPE).astype(np.float32)


def clipped(level=1500.0):
    many = scene(stars=25, flux=(2e5, 2e6)).image[0]
    return np.minimum(many, np.float32(level))


def one_lit_pixel():
    image = np.full(SHAPE, 7, np.float32)
    image[50, 60] = 8
    return image


def one_good_pixel():
    image = np.full(SHAPE, np.nan, np.float32)
    image[50, 60] = 8
    return image


def of(dtype, low=0, high=65535):
    return lambda: np.clip(plain(), low, high).astype(dtype)


def times(scale, offset=0.0):
    return lambda: plain().astype(np.float64) * scale + offset


FLAT = "the image has no contrast"
ROWS = [
    # Nothing to remove, or nothing but that.
    Row(row="no star", build=no_star, fate="same", words="no star was found",
        ways=FITTED),
    Row(row="no star", build=no_star, fate="same",
        words=r"as it is: no pixel is 2.5 times brighter", ways=("cohen2021",)),
    Row(row="no star", build=no_star, words="spreads the light",
        ways=("perona-malik", "chao-tsai")),
    Row(row="only stars, no sky", build=lambda: scene(
        nebula=0.0, sky=1e-3, read_noise=0.0).image[0]),
    Row(row="only stars, no noise", build=lambda: scene().starlight[0]),
    Row(row="constant", build=lambda: np.full(SHAPE, 7.0), fate="same",
        words="every pixel is the same", ways=FITTED),
    Row(row="constant", build=lambda: np.full(SHAPE, 7.0), fate="same", words=FLAT,
        ways=DIFFUSIONS),
    Row(row="zero", build=lambda: np.zeros(SHAPE), fate="same",
        words="every pixel is the same", ways=FITTED),
    Row(row="zero", build=lambda: np.zeros(SHAPE), fate="same", words=FLAT,
        ways=DIFFUSIONS),
    Row(row="one lit pixel", build=one_lit_pixel, ways=FITTED),
    Row(row="one lit pixel", build=one_lit_pixel, fate="same", words=FLAT,
        ways=DIFFUSIONS),
    # Stars that cannot be described.
    Row(row="undersampled", build=lambda: scene(fwhm=1.0).image[0], ways=FITTED,
        words=r"stars are only 1\.\d pixels wide: more of them is filled"),
    Row(row="nearly undersampled", build=lambda: scene(fwhm=1.4).image[0]),
    Row(row="all stars saturated", build=clipped, words=r"\d+ pixels .* are saturated",
        options={"saturation": 1500}),
    Row(row="all stars saturated, not said", build=lambda: clipped(20000.0)),
    Row(row="sky saturated, too", build=plain, fate="refused", ways=FITTED,
        words="can be used are saturated: there is no sky .* --saturation",
        options={"saturation": 200}),
    Row(row="nothing but saturated", build=plain, fate="refused",
        words="no pixel of the image can be used: all are saturated",
        options={"saturation": 0}),
    # Pixels that are no numbers, or not to be trusted.
    Row(row="NaN blocks", build=with_holes, words="are not finite"),
    Row(row="infinite", build=with_infinities, words="6 pixels .* are not finite"),
    Row(row="all NaN", build=lambda: np.full(SHAPE, np.nan), fate="refused",
        words="no pixel of the image is finite"),
    Row(row="one good pixel", build=one_good_pixel, fate="same",
        words="the same|no contrast"),
    Row(row="masked array", build=lambda: np.ma.masked_greater(plain(), 2000),
        words="are masked by the user"),
    Row(row="all masked", build=lambda: np.ma.masked_all_like(plain()),
        fate="refused", words="can be used: all are masked"),
    # Levels and units.
    Row(row="negative sky", build=times(1, -1000)),
    Row(row="x 1e-9", build=times(1e-9)),
    Row(row="x 1e6", build=times(1e6)),
    Row(row="near the end of float32", build=times(3e38 / 2e4)),
    Row(row="beyond the end of float32", build=times(1e39), fate="refused",
        words="too large for 32-bit .* divide|cannot hold|too large"),
    Row(row="subnormal", build=times(1e-42), fate="refused",
        words="too small for 32-bit floating point. multiply the image"),
    # Kinds of numbers.
    Row(row="int16", build=of(np.int16, high=32767)),
    Row(row="uint8", build=lambda: (plain() / 8).clip(0, 255).astype(np.uint8)),
    Row(row="bool", build=lambda: plain() > 300, fate="same",
        words="no star was found", ways=FITTED),
    Row(row="bool", build=lambda: plain() > 300, ways=DIFFUSIONS),
    Row(row="complex", build=lambda: plain() + 0j, fate="refused",
        words="complex numbers. take their modulus"),
    Row(row="objects", build=lambda: np.full((20, 20), None), fate="refused",
        words="an array of object is not an image"),
    # Shapes.
    Row(row="no pixel", build=lambda: np.zeros((0, 20)), fate="refused",
        words="too small"),
    Row(row="one pixel", build=lambda: plain()[:1, :1], fate="refused",
        words="too small: 1 x 1 pixels, at least 16 a side"),
    Row(row="one row", build=lambda: plain()[60:61], fate="refused",
        words="too small: 128 x 1 pixels"),
    Row(row="one column", build=lambda: plain()[:, 60:61], fate="refused",
        words="too small: 1 x 128 pixels"),
    Row(row="smallest", build=lambda: plain()[80:96, 96:112]),
    Row(row="a line of pixels", build=lambda: plain()[60], fate="refused",
        words=r"shape \(128,\) is not an image"),
    Row(row="narrow", build=lambda: plain()[:16]),
    Row(row="cube", build=lambda: np.stack([plain()] * 5), fate="refused",
        words="is a cube: axis NAXIS3 has 5 planes. choose one with --plane K"),
    Row(row="cube, all planes", build=lambda: np.stack([plain()] * 2),
        options={"plane": "all"}),
    Row(row="RGB", build=colour),
    Row(row="RGB, colour last", build=lambda: np.moveaxis(colour(), 0, -1)),
    # What was told.
    Row(row="FWHM of nothing", build=plain, fate="refused", options={"fwhm": 0.0},
        words=r"fwhm=0.0 is out of range. use a number from 0.5 to 100"),
    Row(row="FWHM that is no number", build=plain, fate="refused",
        options={"fwhm": float("nan")}, words="fwhm=nan is not a finite number"),
]  # fmt: skip
CASES = [
    pytest.param(row, way, id=f"{row.row}-{way}") for row in ROWS for way in row.ways
]


@pytest.mark.parametrize(("row", "way"), CASES)
def test_each_row_is_refused_left_or_done_as_it_says(row, way):
    image = row.build()
    given = image.copy()
    if row.fate == "refused":
        with pytest.raises((ImageError, UsageError), match=row.words):
            remove(image, way, **row.options)
        return
    result = remove(image, way, **row.options)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(given))
    said = "\n".join(n for p in planes_of(result) for n in p.notices)
    if row.words:
        assert re.search(row.words, said), said
    for one in planes_of(result):
        check(one)
        changed = np.asarray(one.extras["support"][:, :]).any()
        assert changed == (row.fate == "done")


# The same result from the same numbers ------------------------------------------


@cache
def rounded():
    return np.round(plain()).clip(0, 32767)


@cache
def starless_rounded(way):
    return remove(rounded(), way).cleaned


@pytest.mark.parametrize("way", ["psf", "cohen2021"])
@pytest.mark.parametrize(
    "dtype", [np.int32, np.uint16, ">f4", ">f8", ">u2", np.longdouble]
)
def test_the_type_of_the_numbers_does_not_matter(dtype, way):
    other = remove(rounded().astype(dtype), way)
    np.testing.assert_array_equal(other.cleaned, starless_rounded(way))


@pytest.mark.parametrize("way", WAYS)
def test_the_order_in_memory_does_not_matter(way):
    other = remove(np.asfortranarray(rounded()), way)
    np.testing.assert_array_equal(other.cleaned, starless_rounded(way))


@cache
def starless(way):
    return remove(plain(), way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("scale", "offset"), [(1e-9, 0), (1e6, 0), (1, -1000), (1e-30, 0), (1e30, 0)]
)
def test_unit_and_pedestal_scale_the_result_and_leave_the_mask(scale, offset, way):
    known, other = starless(way), remove(times(scale, offset)(), way)
    for name in ("filled", "support"):
        np.testing.assert_array_equal(
            other.extras[name][:, :], known.extras[name][:, :], err_msg=name
        )
    np.testing.assert_array_equal(other.flags, known.flags)
    one, two = (np.float64(r.part("stars")[:, :]) for r in (known, other))
    # Rounding is amplified where the fit ends a step sooner or later.
    assert np.abs(two / scale - one).max() < 0.02 * np.median(scene().sigma)


@pytest.mark.parametrize("way", WAYS)
def test_powers_of_two_change_no_bit(way):
    known, other = starless(way), remove(plain() * np.float32(2.0**40), way)
    np.testing.assert_array_equal(other.cleaned, known.cleaned * np.float32(2.0**40))


@pytest.mark.parametrize("way", WAYS)
def test_the_grid_of_tiles_changes_no_bit(way):
    """Stars are found and fitted over the whole frame, whatever the tiles."""
    other = remove(plain(), way, tile=64, margin=8)
    np.testing.assert_array_equal(other.cleaned, starless(way).cleaned)


@pytest.mark.parametrize(("diffuse", "reach"), [(perona_malik, 1), (chao_tsai, 2)])
def test_diffusion_of_a_tile_is_that_of_the_image_inside_its_margin(diffuse, reach):
    steps, image = 8, plain() / 20
    whole = diffuse(image, iterations=steps)
    margin = steps * reach
    for top, left in ((0, 0), (20, 48), (64, 64)):
        tile = diffuse(image[top : top + 64, left : left + 64], iterations=steps)
        inner = slice(margin, -margin)
        known = whole[top : top + 64, left : left + 64]
        np.testing.assert_allclose(tile[inner, inner], known[inner, inner], rtol=1e-9)


# A width that is told wrong -----------------------------------------------------


def psnr(image, truth):
    truth = truth.astype(np.float64)
    span = np.quantile(truth, 0.999) - truth.min()
    return 20 * np.log10(span / np.sqrt(np.mean((image - truth) ** 2)))


@pytest.mark.parametrize(
    ("stars", "flux", "seed"),
    [(40, (300, 1e6), 4), (40, (300, 1e6), 5), (2, (3e4, 2e5), 9), (5, (3e4, 2e5), 10)],
)
def test_a_width_wrong_by_half_costs_at_most_two_decibels(stars, flux, seed):
    """Too narrow, all stars seem wider than one, also where few tell their width."""
    truth = scene(seed=seed, stars=stars, flux=flux)
    right = psnr(remove(truth.image[0], fwhm=3.0).cleaned, truth.starless[0])
    assert right > psnr(truth.image[0], truth.starless[0]) + 10
    for told in (1.5, 4.5):
        result = remove(truth.image[0], fwhm=told)
        assert psnr(result.cleaned, truth.starless[0]) > right - 2
        used = result.provenance.measured["fwhm"]
        lines = " ".join(METHODS["stars"].assumed(result, FindSettings()))
        if used == told:
            assert "as told by --fwhm" in lines
        else:
            assert f"not {told:g}, as told by --fwhm" in lines
            assert any(f"fwhm={told:g} was told, but" in n for n in result.notices)


# Flat tops ----------------------------------------------------------------------


def test_flat_tops_are_stars_and_gaps_in_the_coverage_are_none():
    image = clipped()
    result = remove(image, saturation=1500)
    both = MaskBit.SATURATED | MaskBit.NO_COVERAGE
    assert ((result.flags & both) == both).any()
    assert (np.asarray(result.extras["filled"][:, :]) != 0)[image == 1500].all()
    gap = image.copy()
    gap[:30] = 9000
    result = remove(gap, saturation=1500)
    assert np.all(np.asarray(result.part("stars")[:28, :]) == 0)
    assert result.provenance.measured["saturated"] > 5


def test_a_flat_plane_of_a_picture_is_left_and_the_others_are_done():
    picture = colour().copy()
    picture[1] = 5
    for way in ("psf", *DIFFUSIONS):
        result = remove(picture, way)
        assert not np.asarray(result.planes[1].part("stars")[:, :]).any()
        assert np.asarray(result.planes[0].part("stars")[:, :]).any()
    assert "leaves plane 1 as it is: the image has no" in result.planes[0].notices[-1]


# The command --------------------------------------------------------------------


def run(folder, name, *options):
    from bgrem_core.cli import main

    code = main(["-f", str(folder / name), "--method", "stars", *options])
    return code, folder / f"BGRem_{name}"


@pytest.mark.parametrize(
    ("way", "dtype"),
    [
        *(("psf", t) for t in (np.float64, np.uint16, np.int16, ">i4")),
        *((way, np.uint16) for way in WAYS[1:]),
    ],
)
def test_fits_of_any_type_go_in_and_floats_come_out(way, dtype, tmp_path):
    fits.writeto(tmp_path / "in.fits", rounded().astype(dtype))
    short = ("--stars-iterations", "6") if way in DIFFUSIONS else ()
    code, out = run(tmp_path, "in.fits", "--quiet", "--stars-way", way, *short)
    assert code == 0
    with fits.open(out) as hdus:
        assert hdus[0].header["BITPIX"] == -32
        np.testing.assert_array_equal(hdus[0].data, starless_rounded(way))


def picture(kind):
    grey = plain().clip(0, 65535).astype(np.uint16)
    rgb = np.moveaxis(colour(), 0, -1).clip(0, 65535).astype(np.uint16)
    flat = np.full((*SHAPE, 1), 65535, np.uint16)
    return {
        "grey 16": (grey, {}),
        "grey 8": ((plain() / 8).clip(0, 255).astype(np.uint8), {}),
        "grey float": (plain(), {}),
        "grey 16, other byte order": (grey, {"byteorder": ">"}),
        "grey 16, tiled": (grey, {"tile": (64, 64)}),
        "rgb 16": (rgb, {"photometric": "rgb"}),
        "rgb float": (rgb.astype(np.float32), {"photometric": "rgb"}),
        "rgb 8": ((rgb / 64).clip(0, 255).astype(np.uint8), {"photometric": "rgb"}),
        "rgb 16, planar": (
            np.moveaxis(rgb, -1, 0),
            {"photometric": "rgb", "planarconfig": "separate"},
        ),
        "rgba 16": (
            np.concatenate([rgb, flat], axis=-1),
            {"photometric": "rgb", "extrasamples": ["unassalpha"]},
        ),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "grey 16", "grey 8", "grey float", "grey 16, other byte order",
        "grey 16, tiled", "rgb 16", "rgb float", "rgb 8", "rgb 16, planar", "rgba 16",
    ],
)  # fmt: skip
def test_tiff_of_any_kind_comes_back_in_its_shape(kind, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    image, how = picture(kind)
    tifffile.imwrite(tmp_path / "in.tif", image, **how)
    code, out = run(tmp_path, "in.tif", "--quiet")
    assert code == 0
    back = tifffile.imread(out)
    assert back.dtype == np.float32
    given = image[..., :3] if kind == "rgba 16" else image
    assert back.shape == given.shape
    known = remove(given)
    cleaned = np.stack([p.cleaned for p in planes_of(known)])
    axis = 0 if kind.startswith("grey") or "planar" in kind else -1
    together = cleaned[0] if kind.startswith("grey") else np.moveaxis(cleaned, 0, axis)
    np.testing.assert_array_equal(back, together)


@pytest.mark.parametrize(
    ("build", "code", "words"),
    [
        (lambda: np.full(SHAPE, np.nan, np.float32), 4, "no pixel of the image is"),
        (lambda: plain()[:1], 4, "too small: 128 x 1 pixels"),
        (lambda: np.stack([plain()] * 5), 2, "choose one with --plane K"),
        (lambda: plain() * np.float32(1e-42), 4, "multiply the image by a constant"),
        (no_star, 0, "note: no star was found"),
        (lambda: np.full(SHAPE, 7, np.float32), 0, "note: every pixel is the same"),
    ],
)
def test_the_command_says_what_is_wrong_and_exits_accordingly(
    build, code, words, tmp_path, capsys
):
    image = build()
    fits.writeto(tmp_path / "in.fits", image)
    done, out = run(tmp_path, "in.fits")
    printed = capsys.readouterr()
    assert done == code
    assert words in printed.out + printed.err
    assert out.exists() == (code == 0)
    if code == 0:
        np.testing.assert_array_equal(fits.getdata(out), image)


def test_the_command_does_not_say_that_a_width_was_used_which_was_not(tmp_path, capsys):
    fits.writeto(tmp_path / "in.fits", plain())
    assert run(tmp_path, "in.fits", "--fwhm", "4.5")[0] == 0
    printed = capsys.readouterr().out
    assert "(not 4.5, as told by --fwhm)" in printed
    assert "note: fwhm=4.5 was told, but stars are 3.0 pixels wide" in printed
