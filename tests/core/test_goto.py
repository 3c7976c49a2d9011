"""Go to: what can be typed, and the pixel that it means."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
import fields

from bgrem_core.columns import sky_position
from bgrem_core.errors import UsageError
from bgrem_core.goto import find_place
from bgrem_core.image import Image
from bgrem_core.sexagesimal import sexagesimal

SHAPE = (120, 140)


def image(**cards):
    """An image with a TAN projection at RA 150, Dec 2, and cards over its own."""
    header = fields.tan_header(120)
    header.update(cards)
    return made(header)


def made(header):
    return Image(data=np.zeros(SHAPE, "f4"), flags=np.zeros(SHAPE, "u1"), header=header)


def galactic():
    header = Header()
    for key, value in {
        "CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN", "CRVAL1": 30.0, "CRVAL2": 5.0,
        "CRPIX1": 60.0, "CRPIX2": 60.0, "CDELT1": -1e-4, "CDELT2": 1e-4,
    }.items():  # fmt: skip
        header[key] = value
    return made(header)


@pytest.mark.parametrize(
    "text",
    [
        "123.4, 56", "123.4 56", "123.4,56.0", "  123.4 ;  56 ", "+1.234e2 56",
        "x 123.40, y 56.00 pix", "x=123.4 y=56",
    ],
)  # fmt: skip
def test_two_decimals_are_pixels(text):
    assert find_place(text, image()) == (123.4, 56)
    assert find_place(text, made(None)) == (123.4, 56)


@pytest.mark.parametrize(
    "text",
    [
        "10:00:01.2 +02:00:07.2",
        "10:00:01.2 02:00:07.2",
        "10:00:01.2, 2:00:07.2",
        "10 00 01.2 +02 00 07.2",
        "10 00 01.2 02 00 07.2",
        "10h00m01.2s +2d0m7.2s",
        "10h 0m 1.2s 2d 0m 7.2s",
        "10h0m1.2s +2°0\u20327.2\u2033",
        "10h0m1.2s 2.002d",
        "150.005d +2.002d",
        "150.005d,2.002d",
        "150.005 deg 2.002 deg",
        "150.005° +2.002°",
        "150.00500 +2.00200 deg",
        "150d0m18s +2:00:07.2",
    ],
)
def test_places_on_the_sky_are_marked_as_such(text):
    seen = image()
    x, y = SkyCoord(150.005, 2.002, unit="deg").to_pixel(seen.wcs)
    assert find_place(text, seen) == pytest.approx((float(x), float(y)), abs=1e-6)


def test_a_negative_declination_keeps_its_sign():
    south = image(CRVAL2=-0.001)
    for text in ("10:00:00 -00:00:03.6", "10:00:00 \u221200:00:03.6", "150d -0.001d"):
        x, y = find_place(text, south)
        assert (x, y) == pytest.approx((59, 59), abs=1e-6)


@given(st.floats(0, 139), st.floats(0, 119))
def test_what_the_rows_show_leads_back_to_the_pixel(x, y):
    seen = image()
    ra, dec = (float(v[0]) for v in sky_position(seen, np.array([x]), np.array([y])))
    # A pixel has 0.36 arcsec; the texts are rounded to 0.15 and 0.036.
    for text in (sexagesimal(ra, dec), f"{ra:.5f} {dec:+.5f} deg"):
        if not (0 <= x <= 138 and 0 <= y <= 118):
            continue
        assert find_place(text, seen) == pytest.approx((x, y), abs=0.3)


def test_the_system_is_that_of_the_image():
    old = image(RADESYS="FK4", EQUINOX=1950.0)
    assert find_place("10:00:00 +02:00:00", old) == pytest.approx((59, 59), abs=1e-6)


def test_on_a_galactic_image_right_ascension_is_icrs():
    at = SkyCoord(30.0, 5.0, unit="deg", frame="galactic").icrs
    text = f"{at.ra.deg:.8f}d {at.dec.deg:+.8f}d"
    assert find_place(text, galactic()) == pytest.approx((59, 59), abs=1e-3)


@pytest.mark.parametrize(
    "text",
    [
        "", "here", "12", "1 2 3", "12:34:56", "1,2,3", "nan nan", "inf 3",
        "150.0 +02:00:00", "10:99:00 +02:00:00", "10h 2h", "1e999d 2d", ", 3",
        "10:00:00,",
    ],
)  # fmt: skip
def test_what_is_no_place_is_refused_with_examples(text):
    with pytest.raises(UsageError, match="place") as caught:
        find_place(text, image())
    assert "12:34:56.7 -01:02:03" in caught.value.hint


def test_declination_over_the_pole_is_told():
    with pytest.raises(UsageError, match="Dec 150d is over 90 degrees"):
        find_place("2d 150d", image())


@pytest.mark.parametrize("text", ["140 5", "-1 5", "5, 1e9"])
def test_pixels_outside_are_told_with_the_shape(text):
    with pytest.raises(UsageError, match="outside the image") as caught:
        find_place(text, image())
    assert caught.value.hint.startswith("x goes from 0 to 139, y from 0 to 119")
    assert "188.7d" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        find_place(text, made(None))
    assert caught.value.hint == "x goes from 0 to 139, y from 0 to 119"


@pytest.mark.parametrize("text", ["10:01:00 +02:00:00", "22:00:00 -02:00:00"])
def test_sky_outside_is_told_with_where_the_image_lies(text):
    with pytest.raises(UsageError, match="lies outside the image") as caught:
        find_place(text, image())
    assert caught.value.sentence.startswith(text[:5])
    assert caught.value.hint.startswith("its middle lies at 09:59:59.")


def test_without_sky_coordinates_pixels_are_asked_for():
    with pytest.raises(UsageError, match="no RA and Dec") as caught:
        find_place("10:00:00 +02:00:00", made(None))
    assert "x and y" in caught.value.hint
