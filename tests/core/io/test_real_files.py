"""Real frames of several telescopes, read and written back."""

import bz2

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import MaskBit
from bgrem_core.io import open_image, write

FRAMES = [
    "optical/decam_pairs/DEC-OBS04a.mini.fits",
    "optical/decam_legacysurvey/testcase4_c4d_170316_062107_ooi_z_ls9.N2.fits",
    "optical/decam_legacysurvey/testcase8_c4d_171113_060340_ooi_r_ls9.N6.fits",
    "optical/cfhtls/CFHTLS-test_r.fits",
    "optical/cfhtls/PS1-test_r.fits",
    "optical/eso085/aligned_eso085-030-004.fit",
    "optical/hsc_lsb/Cut_HST.fits",
    "ssa/astride_long.fits",
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FRAMES)
def test_real_frames_read_as_astropy_reads_them_and_come_back_whole(
    name, shared_data, separate, tmp_path
):
    path = shared_data(name)
    image = open_image(path)
    with fits.open(path) as hdus:
        stored = np.asarray(hdus[image.origin.hdu].data, np.float32)
        count = len(hdus)
        wcs_keys = {
            c.keyword: c.value
            for c in hdus[image.origin.hdu].header.cards
            if c.keyword.startswith(("CD", "CRP", "CRV", "PV", "CTYPE"))
        }
    np.testing.assert_array_equal(image.data, stored)
    result = separate(image)
    with fits.open(write(result, tmp_path / "out.fits"), checksum=True) as hdus:
        assert len(hdus) == count
        hdu = hdus[image.origin.hdu]
        np.testing.assert_array_equal(hdu.data, result.cleaned)
        assert hdu._checksum_valid is not False
        for key, value in wcs_keys.items():
            assert hdu.header[key] == value


def test_decam_weight_is_inverse_variance(shared_data):
    stem = "optical/decam_legacysurvey/testcase4_c4d_170316_062107_{}_z_ls9.N2.fits"
    weight = shared_data(stem.format("oow"))
    image = open_image(shared_data(stem.format("ooi")), error=weight)
    assert any("inverse variance" in a for a in image.assumed)
    stored = fits.getdata(weight)
    good = stored > 0
    np.testing.assert_allclose(image.rms[good], stored[good] ** -0.5, rtol=1e-6)
    assert np.all(image.flags[~good] & MaskBit.NO_COVERAGE)
    assert np.all(image.rms > 0)


def test_decam_gain_is_not_taken_without_a_unit(shared_data):
    path = shared_data("optical/decam_pairs/DEC-OBS04a.mini.fits")
    image = open_image(path)
    assert image.gain is None
    assert any("GAIN=3.98405 is not used" in a for a in image.assumed)
    assert any("DATASUM of HDU 0 is wrong" in n for n in image.notices)
    assert open_image(path, gain=3.98).gain == 3.98
    assert open_image(path, unit="adu").gain == pytest.approx(3.984047)


def test_sdss_frame_is_read_packed(shared_data):
    path = shared_data("optical/sdss_m2/frame-r-002583-2-0136.fits.bz2")
    image = open_image(path)
    start = bz2.decompress(path.read_bytes())[: 2880 * 40]
    assert start.startswith(b"SIMPLE")
    assert image.shape == (1489, 2048)
    assert image.zeropoint == 22.5
    assert image.wcs is not None
    assert not (image.flags & MaskBit.NO_COVERAGE).any()


def test_aligned_frame_has_its_filled_border_masked(shared_data):
    image = open_image(shared_data("optical/eso085/aligned_eso085-030-004.fit"))
    hole = (image.flags & MaskBit.NO_COVERAGE) != 0
    assert hole[-1].all()
    assert hole[:, 1:].sum() - hole[-1, 1:].sum() < 20


def test_cubes_and_tables_are_named(shared_data):
    with pytest.raises(UsageError, match="5 planes"):
        open_image(shared_data("optical/hsc_lsb/lsbg_hsc.fits"))
    with pytest.raises(ImageError, match="no HDU holds an image"):
        open_image(shared_data("optical/sdss_m2/photoField-002583-2.fits"))
