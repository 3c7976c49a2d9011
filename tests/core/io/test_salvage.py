"""Salvage: what can be read of a damaged file is kept, the rest is NaN and counted."""

import bz2
import gzip
import zlib

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core.errors import ImageError, ReadError
from bgrem_core.image import MaskBit
from bgrem_core.io import open_all, open_image, write


def cut(path, keep):
    """Cut a file off: to `keep` bytes, or by as many if negative."""
    path.write_bytes(path.read_bytes()[:keep])
    return path


def check(image, whole, lost):
    np.testing.assert_array_equal(image.data[~lost], whole[~lost])
    assert np.isnan(image.data[lost]).all()
    np.testing.assert_array_equal(image.flags == MaskBit.NON_FINITE, lost)
    share = f"{lost.sum()} of {lost.size} pixels"
    assert any(n.startswith(share) and "--salvage" in n for n in image.notices)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.float64])
def test_rows_before_the_end_of_a_cut_file_are_kept(dtype, noise, save):
    stored = noise.astype(dtype)
    # The eleventh row is there in part.
    path = cut(save(stored), 2880 + stored[:10].nbytes + 7)
    with pytest.raises(ReadError, match=r"ends at byte \d+ of .*--salvage keeps"):
        open_image(path)
    image = open_image(path, salvage=True)
    lost = np.zeros(noise.shape, bool)
    lost[10:] = True
    check(image, stored.astype(np.float32), lost)
    assert any("within HDU 0" in n for n in image.notices)


@pytest.mark.parametrize(
    ("compress", "inflater"),
    [
        (gzip.compress, lambda: zlib.decompressobj(31)),
        (bz2.compress, bz2.BZ2Decompressor),
    ],
    ids=["gzip", "bzip2"],
)
def test_rows_that_come_out_of_a_cut_compressed_file_are_kept(
    compress, inflater, save, separate, tmp_path
):
    # Blocks of bzip2 come out whole: one of 900 kB has to fit in.
    data = np.random.default_rng(3).normal(100, 5, (1000, 600)).astype(np.float32)
    whole = save(data)
    path = tmp_path / "cut.fits.packed"
    packed = compress(whole.read_bytes())
    path.write_bytes(packed[: len(packed) * 3 // 4])
    with pytest.raises(ReadError, match=r"ends too early.*--salvage keeps"):
        open_image(path)
    image = open_image(path, salvage=True)
    lost = np.isnan(image.data)
    there = inflater().decompress(path.read_bytes())
    rows = (len(there) - 2880) // data[0].nbytes
    assert 300 < rows < 1000
    assert not lost[:rows].any()
    assert lost[rows:].all()
    check(image, data, lost)
    out = write(separate(image), tmp_path / "out.fits")
    np.testing.assert_array_equal(np.isnan(fits.getdata(out)), lost)


def test_damage_within_a_compressed_file_is_never_salvaged(noise, save, tmp_path):
    # The pixels behind it would be wrong, and nothing would say so.
    raw = bytearray(gzip.compress(save(noise).read_bytes()))
    raw[-8:-4] = bytes(4)
    path = tmp_path / "bad.fits.gz"
    path.write_bytes(raw)
    with pytest.raises(ReadError, match="CRC check failed"):
        open_image(path, salvage=True)


def test_scaled_numbers_are_salvaged_as_their_values(noise, save):
    stored = np.round(noise).astype(np.uint16)
    stored[2, 3] = 60000
    path = cut(save(stored), 2880 + stored[:20].nbytes)
    lost = np.zeros(noise.shape, bool)
    lost[20:] = True
    check(open_image(path, salvage=True), stored.astype(np.float32), lost)


@pytest.mark.parametrize("pack", ["RICE_1", "GZIP_1", "GZIP_2"])
def test_tiles_before_the_end_of_a_cut_file_are_kept(pack, noise, save):
    stored = np.round(noise).astype(np.int32)
    path = save(fits.CompImageHDU(stored, compression_type=pack, tile_shape=(8, 52)))
    with fits.open(path, disable_image_compression=True) as hdus:
        heap = hdus[1].fileinfo()["datLoc"] + hdus[1].data.nbytes
    cut(path, heap + 40)
    # Nothing that is there is taken for more than it is.
    with pytest.raises(ImageError, match="no pixel of the image is finite"):
        open_image(path, salvage=True)
    path = save(fits.CompImageHDU(stored, compression_type=pack, tile_shape=(8, 52)))
    size = len(path.read_bytes().rstrip(b"\0"))
    image = open_image(cut(path, size - 8), salvage=True)
    lost = np.zeros(noise.shape, bool)
    lost[32:] = True
    check(image, stored.astype(np.float32), lost)


def test_of_damaged_tiles_the_first_is_named_and_the_others_are_kept(noise, save):
    stored = np.round(noise).astype(np.int32)
    hdu = fits.CompImageHDU(stored, compression_type="GZIP_2", tile_shape=(10, 26))
    path = save(hdu)
    with fits.open(path, disable_image_compression=True) as hdus:
        at = hdus[1].fileinfo()["datLoc"] + hdus[1].data.nbytes
        # Length and offset in the heap, of the tile of rows 20 to 29 on the right.
        found = hdus[1].data.base.view(">i4").reshape(8, -1)[5, :2]
    raw = bytearray(path.read_bytes())
    start = at + int(found[1])
    raw[start : start + int(found[0])] = bytes(int(found[0]))
    path.write_bytes(raw)
    named = r"GZIP_2 data of HDU 1 .* tile of rows 20 to 29, columns 26 to 51\..*--salv"
    with pytest.raises(ReadError, match=named):
        open_image(path)
    lost = np.zeros(noise.shape, bool)
    lost[20:30, 26:] = True
    check(open_image(path, salvage=True), stored.astype(np.float32), lost)


def test_where_the_mask_is_lost_nothing_is_trusted(noise, save, separate, tmp_path):
    quality = np.zeros(noise.shape, np.int16)
    quality[2, 3] = 4
    path = save(
        fits.ImageHDU(noise, name="SCI"),
        fits.ImageHDU(np.full(noise.shape, 12, np.float32), name="ERR"),
        fits.ImageHDU(quality, name="DQ"),
    )
    with fits.open(path) as hdus:
        start = hdus["DQ"].fileinfo()["datLoc"]
    cut(path, start + quality[:30].nbytes)
    image = open_image(path, salvage=True)
    np.testing.assert_array_equal(image.data, noise)
    assert np.all(image.rms == 12)
    expected = np.zeros(noise.shape, bool)
    expected[2, 3] = expected[30:] = True
    np.testing.assert_array_equal(image.flags == MaskBit.DQ, expected)
    # What is cut off cannot be copied; all else is.
    out = write(separate(image), tmp_path / "out.fits")
    with fits.open(out, checksum=True) as hdus:
        assert [h.name for h in hdus] == ["PRIMARY", "SCI", "ERR"]
        assert hdus["SCI"].data.shape == noise.shape


def test_a_noise_map_that_is_cut_off_leaves_its_rest_uncovered(noise, save):
    path = save(
        fits.ImageHDU(noise, name="SCI"),
        fits.ImageHDU(np.full(noise.shape, 12, np.float32), name="ERR"),
    )
    with fits.open(path) as hdus:
        start = hdus["ERR"].fileinfo()["datLoc"]
    image = open_image(cut(path, start + noise[:30].nbytes), salvage=True)
    assert np.all(image.flags[30:] == MaskBit.NO_COVERAGE)
    assert not image.flags[:30].any()
    assert any("no noise estimate in HDU 2 ERR" in n for n in image.notices)


def test_images_before_a_damaged_header_are_kept(noise, save):
    path = save(*(fits.ImageHDU(noise + k, name=f"CCD{k}") for k in range(3)))
    raw = path.read_bytes()
    at = raw.index(b"CCD2") // 2880 * 2880
    cut(path, at + 800)
    with pytest.raises(ReadError, match="within the header of HDU 3"):
        open_all(path)
    from bgrem_core.settings import OpenSettings

    found = open_all(path, OpenSettings(salvage=True))
    assert [f.origin.extname for f in found] == ["CCD0", "CCD1"]
    assert all("left out" in f.notices[0] for f in found)


def test_a_whole_file_is_salvaged_to_the_bit(noise, save):
    image = open_image(save(noise), salvage=True)
    np.testing.assert_array_equal(image.data, noise)
    assert not image.notices
