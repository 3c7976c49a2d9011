"""Rows 1 to 12: what the pixels are."""

import numpy as np
from astropy.io import fits

from rows.build import LEVEL, SIGMA, cleaned, edit, is_finite, noise, plain, save
from rows.kinds import EVERY, NETWORK, Case, Row

WITH_NETWORK = (*EVERY, NETWORK)


def typed(dtype):
    below = 900 if dtype == np.uint8 else 0
    return lambda folder: plain(folder, (noise() - below).astype(dtype))


def scaled(folder):
    stored = np.round(noise() - LEVEL).astype(np.int16)
    stored[5, 6] = -32768
    path = plain(folder, stored)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as found:
        found[0].header.update({"BSCALE": 0.5, "BZERO": 500.0, "BLANK": -32768})


def extreme_blank(folder):
    stored = np.round(noise()).astype(np.int64)
    stored[5, 6] = -(2**63)
    hdu = fits.PrimaryHDU(stored)
    hdu.header["BLANK"] = -(2**63)
    save(folder / "in.fits", hdu)


def is_blank_at_one_pixel(folder, out):
    data, header = cleaned(out)
    assert not {"BLANK", "BSCALE", "BZERO"} & set(header)
    assert np.isnan(data[5, 6])
    assert np.isfinite(data).sum() == data.size - 1


def scale(value):
    def build(folder):
        typed(np.int16)(folder)
        edit(folder / "in.fits", "BSCALE", value)

    return build


def holes(folder):
    data = noise()
    data[10:20, 10:20] = np.nan
    data[40, 40], data[41, 41] = np.inf, -np.inf
    plain(folder, data)


def holes_stay(folder, out):
    data, _ = cleaned(out)
    stored = fits.getdata(folder / "in.fits")
    np.testing.assert_array_equal(np.isfinite(data), np.isfinite(stored))
    assert (data[40, 40], data[41, 41]) == (np.inf, -np.inf)
    sky = fits.getdata(out, "SKY")
    good = np.isfinite(data)
    assert np.isnan(sky[~good]).all()
    assert abs(sky[good] - LEVEL).max() < SIGMA
    mask = fits.getdata(out, "MASK")
    np.testing.assert_array_equal((mask & 1) != 0, ~good)


def saturated(folder):
    data = noise()
    data[30:40, 30:34] = 60000
    data[:, 31] = 60000
    hdu = fits.PrimaryHDU(data)
    hdu.header["SATURATE"] = 55000.0
    save(folder / "in.fits", hdu)


def does_not_ring(folder, out):
    stored = fits.getdata(folder / "in.fits")
    hot = stored == 60000
    np.testing.assert_array_equal((fits.getdata(out, "MASK") & 4) != 0, hot)
    # What is taken away beside it is the sky, within one sigma.
    assert abs(fits.getdata(out, "SKY")[~hot] - LEVEL).max() < SIGMA
    assert abs(np.median(cleaned(out)[0][~hot])) < SIGMA


def is_without_noise(folder, out):
    np.testing.assert_array_equal(cleaned(out)[0], 0)


def sized(*shape):
    rng = np.random.default_rng(1)
    return lambda folder: plain(folder, rng.normal(5, 1, shape).astype(np.float32))


def small(name, *shape):
    words = f"too small: {shape[1]} x {shape[0]} pixels"
    return Case(name=name, build=sized(*shape), code=4, words=words)


ROWS = (
    Row(
        number=1,
        title="big-endian floating point",
        happens="read; results are float32",
        cases=(
            Case(name="single", build=typed(">f4"), check=is_finite, ways=WITH_NETWORK),
            Case(name="double", build=typed(">f8"), check=is_finite),
        ),
    ),
    Row(
        number=2,
        title="whole numbers: int16, uint16 (BZERO 32768), uint8, int32, int64",
        happens="read; results are float32",
        because="whole numbers are not written: a cleaned image has fractions, and "
        "DESIGN 4 fixes float32",
        cases=tuple(
            Case(name=t.__name__, build=typed(t), check=is_finite)
            for t in (np.uint8, np.int16, np.uint16, np.int32, np.int64)
        ),
    ),
    Row(
        number=3,
        title="BSCALE, BZERO and BLANK",
        happens="values are scaled, blank pixels are NaN and masked; the cards do not "
        "go into the result",
        cases=(
            Case(name="scaled", build=scaled, check=is_blank_at_one_pixel,
                 notice="1 pixels (0.02 %) are not finite"),
        ),
    ),
    Row(
        number=4,
        title="BLANK = -2^63",
        happens="blank pixels are NaN and masked",
        cases=(
            Case(name="int64", build=extreme_blank, check=is_blank_at_one_pixel),
        ),
    ),
    Row(
        number=5,
        title="BSCALE that is text",
        happens="exit 3: BSCALE is text ('0.5')",
        cases=(
            Case(name="text", build=scale("'0.5     '"), code=3,
                 words="BSCALE is text ('0.5')", hint="write BSCALE as a number"),
        ),
    ),
    Row(
        number=6,
        title="BSCALE = 0",
        happens="exit 4: the scaled data are constant (BSCALE=0)",
        cases=(
            Case(name="zero", build=scale("0.0"), code=4, hint="correct BSCALE",
                 words="the scaled data are constant (BSCALE=0)"),
        ),
    ),
    Row(
        number=7,
        title="NaN and infinite pixels",
        happens="masked and counted; the same pixels with the same bits in the result, "
        "NaN in the parts",
        cases=(
            Case(name="holes", build=holes, check=holes_stay, output={"layers": True},
                 notice="102 pixels (2 %) are not finite", ways=WITH_NETWORK),
        ),
    ),
    Row(
        number=8,
        title="nothing but NaN",
        happens="exit 4: no pixel of the image is finite",
        cases=(
            Case(name="nan", build=lambda f: plain(f, noise() * np.nan), code=4,
                 words="no pixel of the image is finite"),
        ),
    ),
    Row(
        number=9,
        title="one value everywhere, zero too",
        happens="the noise is 0, with a notice; the sky is taken off as always; no NaN",
        cases=tuple(
            Case(name=name, build=lambda f, v=value: plain(f, noise() * 0 + v),
                 check=is_without_noise, notice="no noise found", ways=WITH_NETWORK)
            for name, value in (("constant", 7), ("zero", 0))
        ),
    ),
    Row(
        number=10,
        title="saturated blocks and bleeding",
        happens="masked (SATURATE, `--saturation`, plateaus) and flagged; the sky "
        "beside them holds within one sigma",
        cases=(
            Case(name="bleed", build=saturated, check=does_not_ring,
                 output={"layers": True}, notice="94 pixels (1.8 %) are saturated",
                 ways=WITH_NETWORK),
        ),
    ),
    Row(
        number=11,
        title="values of 1e300 or 1e-38",
        happens="exit 4: the values are too large (small) for 32-bit floating point",
        because="pixels are float32 everywhere (DESIGN 3); what float32 cannot hold is "
        "refused, as the row allows",
        cases=(
            Case(name="large", build=lambda f: plain(f, noise().astype(float) * 1e297),
                 code=4, words="too large for 32-bit", hint="multiply the image"),
            Case(name="small", build=lambda f: plain(f, noise() * np.float32(1e-41)),
                 code=4, words="too small for 32-bit", hint="multiply the image"),
            Case(name="tiny", build=lambda f: plain(f, noise().astype(float) * 1e-303),
                 code=4, words="too small for 32-bit", hint="multiply the image"),
        ),
    ),
    Row(
        number=12,
        title="1 x 1, 1 x N, N x 1, smaller than a tile",
        happens="cleaned from 16 pixels a side on; below, exit 4: the image is too "
        "small",
        cases=(
            small("1x1", 1, 1),
            small("1xN", 1, 500),
            small("Nx1", 500, 1),
            small("15", 15, 40),
            Case(name="16", build=sized(16, 16), check=is_finite, ways=WITH_NETWORK),
            Case(name="long", build=sized(16, 900), check=is_finite),
        ),
    ),
)  # fmt: skip
