"""Cut-outs keep their place on the sky."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from bgrem_core.crop import crop
from bgrem_core.errors import UsageError
from bgrem_core.image import Image


def sip_header():
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header["CRVAL1"], header["CRVAL2"] = 150.0, 2.0
    header["CRPIX1"], header["CRPIX2"] = 40.5, 30.25
    header["CD1_1"], header["CD2_2"] = -1e-4, 1e-4
    header["CD1_2"] = header["CD2_1"] = 0.0
    header["A_ORDER"] = header["B_ORDER"] = 2
    header["A_2_0"], header["B_0_2"] = 1e-5, -2e-5
    header["LTV1"] = 0.0
    return header


def test_a_cut_out_points_to_the_same_sky():
    header = sip_header()
    image = Image(
        data=np.arange(6000, dtype="f4").reshape(60, 100),
        flags=np.zeros((60, 100), "u1"),
        header=header,
    )
    part = crop(image, (slice(10, 50), slice(20, 90)))
    assert part.data[3, 4] == image.data[13, 24]
    whole, cut = WCS(header), WCS(part.header)
    np.testing.assert_allclose(
        cut.all_pix2world([[4, 3]], 0), whole.all_pix2world([[24, 13]], 0), rtol=1e-12
    )
    assert part.header["LTV1"] == -20
    assert header["CRPIX1"] == 40.5


def test_a_rectangle_outside_the_image_is_refused():
    image = Image(data=np.zeros((20, 20), "f4"), flags=np.zeros((20, 20), "u1"))
    with pytest.raises(UsageError, match="holds no pixel"):
        crop(image, (slice(30, 40), slice(0, 5)))
