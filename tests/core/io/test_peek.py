"""Peek: the pixels of a file before it is opened, or nothing at all."""

import numpy as np
import pytest
from astropy.io import fits

import bgrem_core
from bgrem_core import samples
from bgrem_core.io.peek import peek


@pytest.fixture
def pixels():
    return np.random.default_rng(0).normal(9, 2, (40, 50)).astype(np.float32)


def test_plain_floats_are_mapped_as_they_will_be_read(tmp_path, pixels):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(pixels).writeto(path)
    seen = peek(path)
    np.testing.assert_array_equal(seen, bgrem_core.open_image(path).data)
    base = seen
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert base is not None, "it was read"


def test_the_hdu_is_the_one_that_is_opened(tmp_path, pixels):
    path = tmp_path / "a.fits"
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(pixels + 1, name="WHT"),
            fits.ImageHDU(pixels, name="SCI")]  # fmt: skip
    fits.HDUList(hdus).writeto(path)
    np.testing.assert_array_equal(peek(path), bgrem_core.open_image(path).data)
    np.testing.assert_array_equal(peek(path, "WHT"), pixels + 1)
    assert peek(path, "NONE") is None


@pytest.mark.parametrize("kind", ["int", "cube", "scaled", "packed", "gzip"])
def test_what_has_to_be_made_first_is_not_there(tmp_path, pixels, kind):
    path = tmp_path / "a.fits"
    hdu = fits.PrimaryHDU(pixels)
    if kind == "int":
        hdu = fits.PrimaryHDU(pixels.astype(np.int16))
    elif kind == "cube":
        hdu = fits.PrimaryHDU(np.stack([pixels] * 3))
    elif kind == "scaled":
        hdu = fits.PrimaryHDU(pixels.astype(np.uint16))
    elif kind == "packed":
        hdu = fits.CompImageHDU(pixels)
    elif kind == "gzip":
        path = tmp_path / "a.fits.gz"
    fits.HDUList([hdu] if kind != "packed" else [fits.PrimaryHDU(), hdu]).writeto(path)
    assert peek(path) is None


def test_what_is_no_image_gives_nothing_and_no_error(tmp_path):
    (tmp_path / "text.fits").write_text("no image")
    (tmp_path / "empty.fits").touch()
    for path in (tmp_path / "text.fits", tmp_path / "empty.fits", tmp_path / "gone"):
        assert peek(path) is None
    assert peek(samples.path("decam_r")) is None  # compressed
