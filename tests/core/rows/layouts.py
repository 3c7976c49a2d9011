"""Rows 13 to 26: how the file is laid out, and what its header says."""

import warnings

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable

from bgrem_core.crop import crop
from bgrem_core.io import open_image
from bgrem_core.session import Session
from rows.build import (
    SHAPE,
    SIGMA,
    cleaned,
    hdus,
    is_at,
    is_finite,
    keeps,
    noise,
    plain,
    save,
    tables,
)
from rows.kinds import COMMAND, PYTHON, SESSION, Case, Row

TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0,
    "CRPIX1": 30.0, "CRPIX2": 40.0, "CD1_1": -1e-4, "CD1_2": 0.0, "CD2_1": 0.0,
    "CD2_2": 1e-4,
}  # fmt: skip
SIP = TAN | {
    "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "B_ORDER": 2,
    "A_2_0": 1e-5, "B_0_2": 1e-5, "A_1_1": -2e-6,
}  # fmt: skip
TPV = TAN | {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.01, "PV2_1": 1.01}


def world(cards):
    return hdus(lambda: fits.PrimaryHDU(noise(), fits.Header(cards)))


def image(name, add=0):
    return lambda: fits.ImageHDU(noise() + add, name=name)


def zero_sized(folder):
    # An axis of length 0, which holds no pixel, before the image.
    hdu = fits.ImageHDU(np.zeros((4, 4), np.float32), name="NONE")
    path = save(folder / "in.fits", hdu, fits.ImageHDU(noise(), name="CCD"))
    raw = path.read_bytes()
    at = raw.index(b"NAXIS1  =                    4")
    raw = raw[:at] + b"NAXIS1  =                    0" + raw[at + 30 :]
    path.write_bytes(raw[: 2880 * 2] + raw[2880 * 3 :])


def quality():
    data = np.zeros(SHAPE, np.int16)
    data[3, 4], data[5, 6] = 16, 4096
    return fits.ImageHDU(data, name="DQ")


# Not what a mesh would measure.
ERROR = 3 * SIGMA

sci = hdus(
    image("SCI"),
    lambda: fits.ImageHDU(np.full(SHAPE, ERROR, np.float32), name="ERR"),
    quality,
)


def has_sigma(folder, out):
    masks((3, 4), (5, 6))(folder, out)
    rms = fits.getdata(out, "RMS")
    np.testing.assert_allclose(rms[np.isfinite(rms)], ERROR, rtol=0.01)


def masks(*places):
    def check(folder, out):
        mask = fits.getdata(out, "MASK")
        assert set(zip(*(k.tolist() for k in np.nonzero(mask & 2)))) == set(places)  # noqa: B905

    return check


def others_are_untouched(folder, out):
    is_finite(folder, out, 1)
    for index in (2, 3):
        assert hdu_bytes(folder / "in.fits", index) == hdu_bytes(out, index)


def hdu_bytes(path, index):
    with fits.open(path) as found:
        info = found[index].fileinfo()
    raw = path.read_bytes()
    return raw[info["hdrLoc"] : info["datLoc"] + info["datSpan"]]


def all_are_cleaned(folder, out):
    for index in (1, 2, 3):
        is_finite(folder, out, index)


def has_shape(*shape, plane=slice(None)):
    def check(folder, out):
        data, _ = cleaned(out)
        assert data.shape == shape
        assert abs(np.median(data)) < SIGMA
        # A smooth sky is gone from each plane, and no plane took another's place.
        stored = fits.getdata(folder / "in.fits")[plane]
        assert np.std(stored - data) < 1 < np.std(data)

    return check


def planes(*shape):
    def build(folder):
        rng = np.random.default_rng(5)
        plain(folder, rng.normal(100, 5, (*shape, *SHAPE)).astype(np.float32))

    return build


def corners(path, hdu=0):
    points = [(-0.5, -0.5), (79.5, -0.5), (-0.5, 63.5), (79.5, 63.5), (20, 20)]
    with warnings.catch_warnings(), fits.open(path) as found:
        warnings.simplefilter("ignore")
        wcs = WCS(found[hdu].header, found)
        return wcs.all_pix2world(points, 0)


def same_sky(folder, out):
    """To a billionth of a pixel, which is 1e-4 degrees."""
    old, new = corners(folder / "in.fits"), corners(out)
    np.testing.assert_allclose(new, old, rtol=0, atol=1e-13)


def keeps_sky(*keys):
    def check(folder, out):
        keeps(*keys)(folder, out)
        same_sky(folder, out)

    return check


def lookup_tables(folder):
    wcs = WCS(fits.Header(TAN))
    bent = np.linspace(0, 3, 12, dtype=np.float32).reshape(3, 4)
    wcs.cpdis1 = DistortionLookupTable(bent, (1, 1), (1, 1), (17, 19))
    wcs.cpdis2 = DistortionLookupTable(-bent, (1, 1), (1, 1), (17, 19))
    found = wcs.to_fits(relax=True)
    save(folder / "in.fits", fits.PrimaryHDU(noise(), found[0].header), *found[1:])


def cut_out(way, folder, monkeypatch, capsys):
    opened = open_image("in.fits")
    block = (slice(8, 40), slice(20, 60))
    if way == PYTHON:
        part = crop(opened, block)
    else:
        window = Session(opened)
        window.choose("mesh")
        window.preview(block)
        assert window.wait(60)
        part = window.previewed.image
    assert part.shape == (32, 40)
    assert (part.header["CRPIX1"], part.header["CRPIX2"]) == (10.0, 32.0)
    assert (part.header["LTV1"], part.header["LTV2"]) == (-22.0, -8.0)
    whole = opened.wcs.all_pix2world([(30, 20)], 0)
    moved = part.wcs.all_pix2world([(10, 12)], 0)
    np.testing.assert_allclose(moved, whole, rtol=0, atol=1e-13)


def non_ascii(folder):
    hdu = fits.PrimaryHDU(noise(), fits.Header({"OBS": "Mxller"}))
    path = save(folder / "in.fits", hdu)
    path.write_bytes(path.read_bytes().replace(b"Mxller", b"M\xfcller"))


def is_legible(folder, out):
    is_finite(folder, out)
    assert cleaned(out)[1]["OBS"] == "M?ller"


def long_header(folder):
    header = fits.Header(TAN)
    header["HIERARCH ESO DET CHIP1 NAME"] = "CCD-44"
    header["LONGTEXT"] = "a text that goes on " * 12
    for k in range(7900):
        header[f"HIERARCH ESO INS FILLER K{k}"] = k
    header.extend([("TWICE", 1), ("TWICE", 2)])
    header.add_history("made of much")
    save(folder / "in.fits", fits.PrimaryHDU(noise(), header))


def keeps_every_card(folder, out):
    is_finite(folder, out)
    old, new = (
        [c.image for c in fits.getheader(p).cards] for p in (folder / "in.fits", out)
    )
    known, kept = set(old), set(new)
    changed = known - kept
    assert {c[:8].strip() for c in changed} == {"BITPIX"}
    assert [c for c in new if c in known] == [c for c in old if c in kept]
    same_sky(folder, out)


def without_padding(folder):
    path = plain(folder)
    path.write_bytes(path.read_bytes()[: 2880 + noise().nbytes])


def unusable(words):
    return {"notice": f"WCS unusable: {words}"}


ROWS = (
    Row(
        number=13,
        title="an empty primary HDU, an image of no size, no image at all",
        happens="the first image HDU is taken and named; without one, exit 4 with a "
        "list of the HDUs",
        cases=(
            Case(name="empty-primary", build=hdus(image("CCD")), check=is_at(1),
                 notice="image in HDU 1 CCD (80 x 64)"),
            Case(name="zero-size", build=zero_sized, check=is_at(2),
                 notice="image in HDU 2 CCD (80 x 64)"),
            Case(name="none", build=tables, code=4,
                 words="no HDU holds an image: 0 (empty), 1 CAT (table)"),
        ),
    ),
    Row(
        number=14,
        title="SCI, ERR and DQ in one file",
        happens="SCI is cleaned, with DQ as mask and ERR as sigma; other HDUs are "
        "copied byte for byte",
        cases=(
            Case(name="mask", build=sci, check=others_are_untouched,
                 notice="mask from HDU 3 DQ"),
            Case(name="sigma", build=sci, notice="noise from HDU 2 ERR",
                 check=has_sigma, output={"layers": True}),
        ),
    ),
    Row(
        number=15,
        title="a mosaic of CCDs",
        happens="with `-i all` each is cleaned; else exit 2 naming the HDUs",
        cases=(
            Case(name="which", build=hdus(*map(image, ("CCD1", "CCD2", "CCD3"))),
                 code=2, words="1 CCD1 (80 x 64), 2 CCD2 (80 x 64)", hint="-i all"),
            # A window shows one image at a time.
            Case(name="all", build=hdus(*map(image, ("CCD1", "CCD2", "CCD3"))),
                 settings={"hdu": "all"}, check=all_are_cleaned,
                 ways=(COMMAND, PYTHON)),
        ),
    ),
    Row(
        number=16,
        title="bits of data quality",
        happens="any bit masks, and that is said; `--dq-bits` takes numbers, `~` "
        "leaves some out; names of bits: exit 2",
        because="names of bits mean other bits in each camera; no header says which",
        cases=(
            Case(name="any", build=sci, check=masks((3, 4), (5, 6)),
                 output={"layers": True}, notice="any bit (--mask-ext, --dq-bits)"),
            Case(name="but", build=sci, check=masks((3, 4)), output={"layers": True},
                 settings={"dq_bits": "~4096,8"}, notice="bits ~4096,8"),
            Case(name="names", build=sci, code=2, settings={"dq_bits": "HOTPIX"},
                 words="dq_bits='HOTPIX' is not a list", hint="use numbers"),
        ),
    ),
    Row(
        number=17,
        title="cubes and colour images",
        happens="three or four planes without a spectral or time axis are colours, "
        "done plane by plane; a cube asks for `--plane`: exit 2 naming axis and length",
        cases=(
            Case(name="rgb", build=planes(3), check=has_shape(3, *SHAPE)),
            Case(name="four", build=planes(4), check=has_shape(4, *SHAPE)),
            Case(name="cube", build=planes(5), code=2, hint="--plane",
                 words="axis NAXIS3 has 5 planes"),
            Case(name="plane", build=planes(5), settings={"plane": "3"},
                 check=has_shape(1, *SHAPE, plane=slice(3, 4))),
            Case(name="all", build=planes(5), settings={"plane": "all"},
                 check=has_shape(5, *SHAPE)),
            Case(name="no-plane", build=planes(5), settings={"plane": "7"}, code=2,
                 words="plane=7 does not exist", hint="use --plane 0 to 4"),
        ),
    ),
    Row(
        number=18,
        title="axes of length 1: (1, 1, y, x)",
        happens="left out for the work, and back in the result",
        cases=(
            Case(name="stokes", build=planes(1, 1), check=has_shape(1, 1, *SHAPE)),
        ),
    ),
    Row(
        number=19,
        title="SIP distortion",
        happens="cards are copied to the byte; the sky is the same to 1e-9 pixels",
        cases=(Case(name="sip", build=world(SIP), check=keeps_sky(*SIP)),),
    ),
    Row(
        number=20,
        title="TPV distortion, lookup tables",
        happens="cards and tables are copied; the sky is the same to 1e-9 pixels",
        cases=(
            Case(name="tpv", build=world(TPV), check=keeps_sky(*TPV)),
            Case(name="tables", build=lookup_tables, check=same_sky),
        ),
    ),
    Row(
        number=21,
        title="a singular CD matrix",
        happens="cleaned, with the notice that the WCS is unusable; the header is kept",
        cases=(
            Case(name="singular", build=world(TAN | {"CD1_1": 0.0}),
                 check=keeps("CD1_1", "CD2_2"), **unusable("its matrix is singular")),
        ),
    ),
    Row(
        number=22,
        title="CRVAL that is text, units that are none, WCSAXES or an order of SIP "
        "above 9",
        happens="as a singular matrix",
        cases=(
            Case(name="text", build=world(TAN | {"CRVAL1": "ten"}),
                 check=keeps("CRVAL1"), **unusable("CRVAL1 is not a number")),
            Case(name="unit", build=world(TAN | {"CUNIT1": "furlong"}),
                 check=keeps("CUNIT1"), **unusable("CUNIT1='furlong' is not an angle")),
            Case(name="axes", build=world(TAN | {"WCSAXES": 30_000}),
                 check=keeps("WCSAXES"), **unusable("WCSAXES is not a number from 0")),
            Case(name="order", build=world(SIP | {"A_ORDER": 20_000}),
                 check=keeps("A_ORDER"), **unusable("A_ORDER is not a number from 0")),
        ),
    ),
    Row(
        number=23,
        title="a cut-out",
        happens="CRPIX and LTV are shifted, SIP terms hold",
        because="only Python and the previews of windows cut; the command does not",
        cases=(
            Case(name="moved", build=world(SIP | {"LTV1": -2.0, "LTV2": 0.0}),
                 play=cut_out, ways=(PYTHON, SESSION)),
        ),
    ),
    Row(
        number=24,
        title="a header that is not ASCII",
        happens="read and written with ? in place of such characters, with one notice",
        cases=(
            Case(name="umlaut", build=non_ascii, check=is_legible,
                 notice="the header holds characters that FITS does not allow"),
        ),
    ),
    Row(
        number=25,
        title="HIERARCH, CONTINUE, the same key twice, 8,000 cards",
        happens="every card is copied to the byte and in order; the parser of the WCS "
        "is given only the cards that it needs, when sky coordinates are asked for",
        because="a window asks for the place under the cursor at every move, which no "
        "other process could tell in time: orders and axes have limits before the "
        "parser sees them, its cards are printable, and headers are fuzzed",
        cases=(
            Case(name="long", build=long_header, check=keeps_every_card),
        ),
    ),
    Row(
        number=26,
        title="no padding to 2880 bytes",
        happens="cleaned, with one notice",
        cases=(
            Case(name="short", build=without_padding, check=is_finite,
                 notice="the last block of the file is not filled up"),
        ),
    ),
)  # fmt: skip
