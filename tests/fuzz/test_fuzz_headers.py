"""Headers of any cards: an image with the right pixels, or our error."""

import os
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from bgrem_core.errors import BGRemError
from bgrem_core.image import Stack
from bgrem_core.io import list_hdus, open_image

SECONDS = float(os.environ.get("BGREM_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("BGREM_FUZZ_SEED", "0"))
BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}
#: Keywords that mean something to somebody, those of the structure last.
MEANT = [
    "BUNIT", "GAIN", "EGAIN", "EXPTIME", "SATURATE", "MAGZERO", "BAYERPAT", "EXTNAME",
    "EXTVER", "CTYPE1", "CTYPE2", "CUNIT1", "CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2",
    "CDELT1", "CDELT2", "CD1_1", "CD2_2", "PC1_2", "CROTA2", "A_ORDER", "A_2_0",
    "PV1_1", "LONPOLE", "RADESYS", "EQUINOX", "WCSAXES", "D2IMDIS1", "CPDIS1",
    "DATE-OBS", "MJD-OBS", "HISTORY", "COMMENT", "CONTINUE", "HIERARCH", "END",
    "BGRVER", "CHECKSUM", "DATASUM", "INHERIT", "EXTEND", "LTV1",
]  # fmt: skip
STRUCTURE = [
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "PCOUNT",
    "GCOUNT", "GROUPS", "BSCALE", "BZERO", "BLANK", "ZIMAGE", "ZCMPTYPE", "ZNAXIS",
]  # fmt: skip

settings.register_profile(
    "fuzz",
    parent=settings.get_profile("bgrem"),
    max_examples=max(150, int(5 * SECONDS)),
    derandomize=not SEED,
    suppress_health_check=list(HealthCheck),
)
FUZZ = settings.get_profile("fuzz")

keywords = st.one_of(
    st.sampled_from(MEANT),
    st.text("ABCXYZ0189_- ", min_size=1, max_size=8),
)
words = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(lambda v: f"{v:.12G}"),
    st.sampled_from(
        ["T", "F", "", "NaN", "1D5", "'RA---TAN'", "'DEC--TAN'", "'deg'", "''", "'  '",
         "(1, 2)", "1e999", "-0", "'it''s'", "'no end", "'long&'", "0x1F", "1_000"]
    ),
    st.text(max_size=20).map(lambda v: f"'{v}'"),
)  # fmt: skip
raw_cards = st.binary(max_size=80).map(lambda b: b.ljust(80))


@st.composite
def cards(draw, keys=keywords):
    """Draw the 80 bytes of a card, that may or may not be legal."""
    key, word = draw(keys), draw(words)
    sign = draw(st.sampled_from(["= ", "= ", "= ", "  ", "=", " ="]))
    note = draw(st.sampled_from(["", " / comment", "/", " / M\xfcller"]))
    text = f"{key:8}{sign}{word:>20}{note}"
    return text.encode("latin-1", "replace").ljust(80)[:80]


@st.composite
def pixels(draw):
    """Draw the stored numbers of an image of any type."""
    dtype = np.dtype(draw(st.sampled_from([f">{t}" for t in BITPIX])))
    shape = draw(st.tuples(st.integers(15, 20), st.integers(16, 19)))
    special = {}
    if dtype.kind == "f":
        # What float32 cannot hold is tested elsewhere.
        special["elements"] = st.floats(-1e6, 1e6, width=32) | st.sampled_from(
            [np.nan, np.inf, -np.inf]
        )
    return draw(npst.arrays(dtype, shape, **special))


def number(key, value):
    return f"{key:8}= {value:>20}".encode().ljust(80)


def fits_bytes(stored, cards):
    """Return a FITS file of one HDU, by the standard but for the cards."""
    ny, nx = stored.shape
    head = [
        number("SIMPLE", "T"),
        number("BITPIX", BITPIX[stored.dtype.str[1:]]),
        number("NAXIS", 2),
        number("NAXIS1", nx),
        number("NAXIS2", ny),
        *cards,
        b"END".ljust(80),
    ]
    header, data = b"".join(head), stored.tobytes()
    return header + b" " * (-len(header) % 2880) + data + bytes(-len(data) % 2880)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "drawn.fits"


def opened(path):
    """Open a file, with all that may be asked of it; None where that is our error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            list_hdus(path)
            image = open_image(path)
        except BGRemError as error:
            caught = error
        else:
            for plane in image.planes if isinstance(image, Stack) else [image]:
                _ = plane.wcs
            return image
    assert caught.sentence
    assert "\n" not in str(caught)
    return None


@seed(SEED)
@settings(FUZZ)
@given(stored=pixels(), scale=st.sampled_from([None, 1.0, 0.25, -2.0]),
       zero=st.sampled_from([None, 0.0, 32768.0, -1.5]),
       blank=st.sampled_from([None, 0, 7]),
       more=st.lists(cards(), max_size=12))  # fmt: skip
def test_legal_pixels_are_read_whatever_else_the_header_says(
    path, stored, scale, zero, blank, more
):
    given = [("BSCALE", scale), ("BZERO", zero), ("BLANK", blank)]
    # Of several cards the first counts: ours come first.
    own = [number(key, value) for key, value in given if value is not None]
    path.write_bytes(fits_bytes(stored, own + more))
    image = opened(path)
    if image is None:
        return
    truth = stored.astype(np.float64) * (scale or 1) + (zero or 0)
    if blank is not None and stored.dtype.kind != "f":
        truth[stored == blank] = np.nan
    np.testing.assert_array_equal(image.data, truth.astype(np.float32))
    np.testing.assert_array_equal(image.flags[~np.isfinite(truth)] & 1, 1)


@seed(SEED)
@settings(FUZZ)
@given(stored=pixels(), more=st.lists(
    cards(keys=st.sampled_from(STRUCTURE)) | raw_cards, max_size=8))  # fmt: skip
def test_a_header_that_contradicts_itself_ends_in_an_image_or_our_error(
    path, stored, more
):
    path.write_bytes(fits_bytes(stored, more))
    opened(path)


@seed(SEED)
@settings(FUZZ)
@given(st.lists(cards(keys=st.sampled_from(STRUCTURE + MEANT)) | raw_cards,
                max_size=40), st.binary(max_size=3000))  # fmt: skip
def test_any_cards_at_all_end_in_an_image_or_our_error(path, drawn, data):
    head = b"".join([number("SIMPLE", "T"), *drawn])
    path.write_bytes(head + b" " * (-len(head) % 2880) + data)
    opened(path)
