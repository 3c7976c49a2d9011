import numpy as np
import pytest
from astropy.io import fits

from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import MaskBit
from bgrem_core.io import open_image
from bgrem_core.io.masks import parse_bits


@pytest.mark.parametrize(
    ("text", "value", "masks"),
    [
        (None, 1 << 14, True),
        ("1,64", 64, True),
        ("1+64", 64, True),
        ("1,64", 2, False),
        ("~4096,8", 8, False),
        ("~4096,8", 4096, False),
        ("~4096,8", 4097, True),
        ("0", 255, False),
    ],
)
def test_bits_are_read(text, value, masks):
    assert bool(parse_bits(text) & value) is masks


@pytest.mark.parametrize("text", ["cosmic", "", "-1", "1;2", "1.5", str(2**63)])
def test_other_words_are_refused(text):
    with pytest.raises(UsageError, match="is not a list of bit values"):
        parse_bits(text)


class TestSaturation:
    def test_header_level_masks_and_is_counted(self, noise, save):
        noise[3, 4] = 60000
        noise[3, 5] = 50000
        hdu = fits.PrimaryHDU(noise)
        hdu.header["SATURATE"] = 50000.0
        image = open_image(save(hdu))
        assert image.flags[3, 4] == image.flags[3, 5] == MaskBit.SATURATED
        assert image.saturation == 50000
        assert "2 pixels (0.096 %) are saturated" in image.notices

    def test_a_level_that_is_written_as_text_is_a_level(self, noise, save):
        noise[3, 4] = 60000
        hdu = fits.PrimaryHDU(noise)
        hdu.header["SATURATE"] = "50000.0"
        image = open_image(save(hdu))
        assert image.flags[3, 4] == MaskBit.SATURATED

    @pytest.mark.parametrize("level", [3.4028235678e38, 1e300])
    def test_a_level_that_no_pixel_can_reach_is_none(self, noise, save, level):
        noise[3, 4] = np.finfo(np.float32).max / 16
        hdu = fits.PrimaryHDU(noise)
        hdu.header["SATURATE"] = level
        for image in (open_image(save(hdu)), open_image(save(hdu), saturation=level)):
            assert image.saturation is None
            assert not image.flags.any()

    def test_stated_level_wins(self, noise, save):
        noise[3, 4] = 60000
        hdu = fits.PrimaryHDU(noise)
        hdu.header["SATLEVEL"] = 90000
        assert open_image(save(hdu), saturation=55000).flags[3, 4]

    def test_a_level_in_another_unit_is_not_used(self, noise, save):
        hdu = fits.PrimaryHDU(noise)
        hdu.header["SATURATE"] = 500.0
        image = open_image(save(hdu))
        assert not image.flags.any()
        assert image.saturation is None
        assert any("SATURATE=500 is not used" in n for n in image.notices)


def test_a_frame_without_a_good_pixel_is_refused(noise):
    with pytest.raises(ImageError, match=r"no pixel.*masked by the user"):
        open_image(noise, mask=np.ones(noise.shape, bool))


def test_bayer_patterns_are_refused(noise, save):
    hdu = fits.PrimaryHDU(noise)
    hdu.header["BAYERPAT"] = "RGGB"
    path = save(hdu)
    with pytest.raises(ImageError, match=r"BAYERPAT=RGGB.*debayer the image first"):
        open_image(path)


@pytest.mark.parametrize("name", ["DQ", "ERR"])
def test_a_sibling_that_does_not_fit_is_told_of(name, noise, save):
    other = fits.ImageHDU(np.ones((10, 10), np.int16), name=name)
    path = save(fits.PrimaryHDU(), fits.ImageHDU(noise, name="SCI"), other)
    image = open_image(path)
    assert f"HDU 2 {name} (10 x 10) does not fit the image and is not used" in (
        image.notices
    )
    assert not image.flags.any()
    assert image.rms is None


def test_a_sibling_without_pixels_says_nothing_and_one_that_fits_goes_first(
    noise, save
):
    sci = fits.ImageHDU(noise, name="SCI")
    empty = fits.ImageHDU(name="DQ")
    image = open_image(save(fits.PrimaryHDU(), sci, empty))
    assert not [n for n in image.notices if "DQ" in n]
    bits = np.zeros(noise.shape, np.int16)
    bits[3, 4] = 1
    odd = fits.ImageHDU(np.ones((10, 10), np.int16), name="DQ")
    path = save(fits.PrimaryHDU(), sci, odd, fits.ImageHDU(bits, name="DQ"))
    image = open_image(path)
    assert image.flags[3, 4]
    assert np.count_nonzero(image.flags) == 1
