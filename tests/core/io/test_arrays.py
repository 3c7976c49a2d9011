import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, NDData, StdDevUncertainty, VarianceUncertainty
from astropy.wcs import WCS

from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import MaskBit, Stack
from bgrem_core.io import open_image, write

ORDERS = [
    f"{order}{kind}"
    for kind in ("f2", "f4", "f8", "i2", "u2", "i4", "u4", "i8")
    for order in "<>"
]


@pytest.mark.parametrize("dtype", [*ORDERS, "u1", "i1", "?"])
def test_every_type_and_byte_order_gives_native_floats(dtype, rng):
    array = rng.integers(0, 100, (20, 24)).astype(dtype)
    image = open_image(array)
    assert image.data.dtype == np.dtype("=f4")
    assert image.data.flags.c_contiguous
    np.testing.assert_array_equal(image.data, array.astype(np.float32))


def test_native_floats_are_not_copied(noise):
    assert np.shares_memory(open_image(noise).data, noise)


def test_views_of_any_stride_are_read(noise):
    for view in (noise[::-1], noise.T, noise[::2, ::2]):
        image = open_image(view)
        np.testing.assert_array_equal(image.data, view)
        assert image.data.flags.c_contiguous


def test_masked_arrays_bring_their_mask(noise):
    masked = np.ma.masked_greater(noise, 1020)
    image = open_image(masked)
    np.testing.assert_array_equal(image.flags == MaskBit.USER, noise > 1020)
    np.testing.assert_array_equal(image.data, noise)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((20, 20), complex) + 1j,
        np.full((20, 20), "x"),
        np.zeros((20, 20), object),
        np.zeros(400),
        np.zeros((20, 20, 0)),
        np.full((20, 20), np.nan),
        np.full((20, 20), 1e300),
        np.zeros((15, 20)),
        np.float64(3),
        None,
        b"text",
    ],
    ids=[
        "complex",
        "text",
        "object",
        "1-d",
        "empty",
        "nan",
        "large",
        "small",
        "scalar",
        "none",
        "bytes",
    ],
)
def test_what_is_no_image_is_refused(array):
    with pytest.raises(ImageError):
        open_image(array)


@pytest.mark.parametrize("axis", [0, -1])
def test_colours_may_come_first_or_last(axis, noise):
    planes = [noise, noise + 1, noise + 2]
    stack = open_image(np.stack(planes, axis=axis))
    assert isinstance(stack, Stack)
    for plane, expected in zip(stack.planes, planes, strict=True):
        np.testing.assert_array_equal(plane.data, expected)


def test_ccddata_brings_unit_mask_sigma_and_coordinates(noise):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [10, 20], [5, 6], [-1e-4, 1e-4]
    mask = noise > 1020
    ccd = CCDData(
        noise.astype(float),
        unit="adu",
        mask=mask,
        wcs=wcs,
        meta={"GAIN": 2.0, "odd key": object()},
        uncertainty=VarianceUncertainty(np.full(noise.shape, 9.0)),
    )
    image = open_image(ccd)
    assert image.unit == "adu"
    assert image.gain == 2.0
    assert np.all(image.rms == 3)
    np.testing.assert_array_equal(image.flags != 0, mask)
    np.testing.assert_allclose(
        image.wcs.all_pix2world([(7, 8)], 0), wcs.all_pix2world([(7, 8)], 0)
    )


def test_nddata_and_quantities_are_taken(noise):
    data = NDData(noise, uncertainty=StdDevUncertainty(np.full(noise.shape, 2.0)))
    assert np.all(open_image(data).rms == 2)
    assert open_image(noise * u.electron).gain == 1


def test_hdus_are_taken(noise, save):
    hdu = fits.ImageHDU(noise, fits.Header({"BUNIT": "electron"}))
    assert open_image(hdu).gain == 1
    with fits.open(save(fits.PrimaryHDU(noise))) as hdus:
        np.testing.assert_array_equal(open_image(hdus[0]).data, noise)
        with pytest.raises(UsageError, match="hand over one of them"):
            open_image(hdus)
    with pytest.raises(ImageError, match="holds no image"):
        open_image(fits.PrimaryHDU())


def test_a_header_can_be_given(noise, separate, tmp_path):
    header = fits.Header({"OBJECT": "M 31", "BUNIT": "adu", "GAIN": 3.0, "BZERO": 5.0})
    image = open_image(noise, header=header)
    assert image.gain == 3.0
    result = separate(image)
    with fits.open(write(result, tmp_path / "a.fits"), checksum=True) as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus[0].data, result.cleaned)
        assert hdus[0].header["OBJECT"] == "M 31"


def test_a_sigma_map_must_fit(noise):
    with pytest.raises(ImageError, match="noise map has shape"):
        open_image(noise, rms=np.ones((3, 3)))
    with pytest.raises(ImageError, match="no positive value"):
        open_image(noise, rms=0.0)


def test_settings_of_files_mean_nothing_here(noise):
    with pytest.raises(UsageError, match="hdu='1' has no meaning"):
        open_image(noise, hdu=1)


def test_results_convert_to_ccddata(noise, separate):
    image = open_image(noise, unit="electrons/s")
    ccd = separate(image).to_ccddata()
    assert ccd.unit == u.electron / u.s
    assert ccd.header["BGRMETH"] == "mesh"
    np.testing.assert_array_equal(ccd.data, separate(image).cleaned)
    assert open_image(noise, unit="zorkmids").unit == "zorkmids"
    assert separate(open_image(noise, unit="zorkmids")).to_ccddata().unit == ""
