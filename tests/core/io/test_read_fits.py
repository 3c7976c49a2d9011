import bz2
import gzip

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core.errors import ImageError, ReadError, UsageError
from bgrem_core.image import Image, MaskBit
from bgrem_core.io import list_hdus, open_all, open_image
from bgrem_core.planes import IN_MEMORY

TYPES = [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.float32,
         np.float64]  # fmt: skip


def test_reading_needs_no_second_look_at_what_is_an_image_already(noise):
    image = open_image(noise)
    assert open_image(image) is image


@pytest.mark.parametrize("dtype", TYPES, ids=lambda t: t.__name__)
def test_every_stored_type_reads_as_astropy_reads_it(dtype, rng, save):
    stored = rng.integers(0, 200, (30, 44)).astype(dtype)
    path = save(stored)
    image = open_image(path)
    assert image.data.dtype == np.dtype("=f4")
    assert image.data.flags.c_contiguous
    np.testing.assert_array_equal(image.data, stored.astype(np.float32))


def test_scaled_integers_become_their_values_and_blank_becomes_nan(rng, save):
    stored = rng.integers(-300, 300, (30, 44)).astype(np.int16)
    stored[3, 4] = -32768
    hdu = fits.PrimaryHDU(stored)
    path = save(hdu)
    with fits.open(path, mode="update", do_not_scale_image_data=True) as hdus:
        hdus[0].header["BSCALE"] = 0.5
        hdus[0].header["BZERO"] = 1000.25
        hdus[0].header["BLANK"] = -32768
    image = open_image(path)
    expected = (1000.25 + 0.5 * stored).astype(np.float32)
    expected[3, 4] = np.nan
    np.testing.assert_array_equal(image.data, expected)
    assert image.flags[3, 4] == MaskBit.NON_FINITE
    assert np.count_nonzero(image.flags) == 1


def test_blank_means_nothing_in_a_floating_point_image(noise, save):
    noise[0, 0] = 32767
    path = save(noise)
    raw = path.read_bytes()
    at = raw.index(b"EXTEND")
    card = b"BLANK   =                32767".ljust(80)
    path.write_bytes(raw[:at] + card + raw[at + 80 :])
    assert open_image(path).data[0, 0] == 32767


@pytest.mark.parametrize("pack", ["RICE_1", "GZIP_1", "GZIP_2"])
@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_tile_compressed_images_read_as_astropy_reads_them(pack, dtype, rng, save):
    stored = rng.normal(1000, 12, (70, 44)).astype(dtype)
    if dtype == np.float32:
        stored[5, 6:9] = np.nan
    hdu = fits.CompImageHDU(stored, compression_type=pack, tile_shape=(7, 44))
    path = save(hdu)
    with fits.open(path) as hdus:
        expected = np.array(hdus[1].data, np.float32)
    image = open_image(path)
    np.testing.assert_array_equal(image.data, expected)
    assert image.origin.hdu == 1
    assert np.array_equal(image.flags != 0, ~np.isfinite(expected))


def test_compressed_unsigned_integers_keep_their_offset(rng, save):
    stored = rng.integers(30000, 60000, (40, 44)).astype(np.uint16)
    path = save(fits.CompImageHDU(stored, compression_type="RICE_1"))
    np.testing.assert_array_equal(open_image(path).data, stored)


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip), (".bz2", bz2)])
def test_packed_files_read_like_plain_ones(suffix, pack, noise, save):
    path = save(noise)
    packed = path.with_name(f"in.fits{suffix}")
    packed.write_bytes(pack.compress(path.read_bytes()))
    image = open_image(packed)
    np.testing.assert_array_equal(image.data, noise)
    # The first bytes decide, not the name.
    disguised = packed.rename(path.with_name("disguised.fits"))
    np.testing.assert_array_equal(open_image(disguised).data, noise)


def test_a_packed_file_may_not_grow_beyond_what_its_header_states(noise, save):
    path = save(noise)
    bomb = path.with_name("bomb.fits.gz")
    bomb.write_bytes(gzip.compress(path.read_bytes() + bytes(50_000_000)))
    with pytest.raises(ReadError, match="more than the stated 11520 bytes"):
        open_image(bomb)
    bomb.write_bytes(gzip.compress(bytes(1_000_000)))
    with pytest.raises(ReadError, match="holds no FITS file"):
        open_image(bomb)


def test_a_cut_off_packed_file_is_unreadable(noise, save):
    path = save(noise)
    packed = path.with_name("cut.fits.gz")
    packed.write_bytes(gzip.compress(path.read_bytes())[:-2000])
    with pytest.raises(ReadError, match="ends too early"):
        open_image(packed)


def test_big_images_live_in_a_scratch_file(monkeypatch, noise, save):
    monkeypatch.setattr("bgrem_core.planes.IN_MEMORY", 1000)
    assert IN_MEMORY > 1000
    image = open_image(save(noise))
    assert isinstance(image.data.base, np.memmap) or isinstance(image.data, np.memmap)
    np.testing.assert_array_equal(image.data, noise)


def test_damaged_compressed_data_are_unreadable(rng, save):
    stored = rng.normal(1000, 12, (64, 64)).astype(np.float32)
    path = save(fits.CompImageHDU(stored, compression_type="GZIP_2"))
    raw = bytearray(path.read_bytes())
    raw[2880 * 3 : 2880 * 4] = bytes(2880)
    path.write_bytes(raw)
    with pytest.raises(ReadError, match="GZIP_2 data of HDU 1 are damaged"):
        open_image(path)


def test_header_is_that_of_the_image_before_compression(noise, save):
    header = fits.Header({"OBJECT": "M 31", "ZENITH": 12.5, "ZD": 3})
    path = save(fits.CompImageHDU(noise, header, quantize_level=16))
    image = open_image(path)
    assert image.header["NAXIS1"] == 52
    assert image.header["BITPIX"] == -32
    assert (image.header["ZENITH"], image.header["ZD"]) == (12.5, 3)
    assert not any(k.startswith(("TTYPE", "ZCMP", "ZTILE")) for k in image.header)


class TestChoice:
    def test_the_only_image_is_taken_and_named(self, noise, save):
        path = save(fits.ImageHDU(noise, name="CCD7"))
        image = open_image(path)
        assert image.origin.hdu == 1
        assert image.origin.extname == "CCD7"
        assert "image in HDU 1 CCD7 (52 x 40) (-i)" in image.assumed

    def test_sci_wins_and_brings_its_mask_and_errors(self, noise, save):
        quality = np.zeros(noise.shape, np.int16)
        quality[2, 3] = 4096
        quality[4, 5] = 8
        errors = np.full(noise.shape, 12, np.float32)
        path = save(
            fits.ImageHDU(noise, name="SCI"),
            fits.ImageHDU(errors, name="ERR"),
            fits.ImageHDU(quality, name="DQ"),
        )
        image = open_image(path)
        assert image.origin.extname == "SCI"
        assert image.flags[2, 3] == image.flags[4, 5] == MaskBit.DQ
        np.testing.assert_array_equal(image.rms, errors)
        some = open_image(path, dq_bits="~4096")
        assert (some.flags[2, 3], some.flags[4, 5]) == (0, MaskBit.DQ)

    def test_errors_of_another_exposure_are_not_taken(self, noise, save):
        path = save(
            fits.ImageHDU(noise, name="SCI", ver=1),
            fits.ImageHDU(noise, name="ERR", ver=2),
        )
        assert open_image(path).rms is None

    def test_several_images_are_named_and_not_guessed(self, noise, save):
        path = save(*(fits.ImageHDU(noise + k, name=f"CCD{k}") for k in (1, 2)))
        with pytest.raises(UsageError, match=r"1 CCD1 \(52 x 40\), 2 CCD2 .*-i CCD1"):
            open_image(path)
        for wanted in ("CCD2", "ccd2", 2, "2"):
            assert open_image(path, hdu=wanted).origin.hdu == 2
        with pytest.raises(UsageError, match="no HDU '3'"):
            open_image(path, hdu=3)
        found = open_all(path)
        assert [f.origin.hdu for f in found] == [1, 2]

    def test_extver_tells_namesakes_apart(self, noise, save):
        path = save(*(fits.ImageHDU(noise + k, name="SCI", ver=k) for k in (1, 2)))
        with pytest.raises(UsageError, match="2 HDUs hold an image"):
            open_image(path)
        with pytest.raises(UsageError, match="several HDUs are called 'SCI'"):
            open_image(path, hdu="SCI")
        assert open_image(path, hdu="SCI,2").origin.hdu == 2

    def test_a_table_is_no_image(self, save):
        table = fits.BinTableHDU.from_columns(
            [fits.Column("a", "E", array=np.arange(3.0))], name="CAT"
        )
        path = save(table)
        with pytest.raises(ImageError, match=r"0 \(empty\), 1 CAT \(table\)"):
            open_image(path)
        with pytest.raises(ImageError, match="holds no image"):
            open_image(path, hdu="CAT")
        assert [h.kind for h in list_hdus(path)] == ["empty", "table"]


class TestPlanes:
    def test_degenerate_axes_are_squeezed_and_remembered(self, noise, save):
        image = open_image(save(noise[None, None]))
        assert image.shape == noise.shape
        assert image.origin.shape == (1, 1, 40, 52)
        assert image.origin.index == (0, 0)

    @pytest.mark.parametrize("count", [3, 4])
    def test_three_or_four_planes_are_colours_with_one_mask(self, count, noise, save):
        cube = np.stack([noise + k for k in range(count)])
        cube[1, 7, 8] = np.nan
        stack = open_image(save(cube))
        assert stack.kind == "rgb"
        assert len(stack) == count
        np.testing.assert_array_equal(stack.planes[2].data, cube[2])
        assert all(p.flags[7, 8] == MaskBit.NON_FINITE for p in stack.planes)

    @pytest.mark.parametrize("ctype", ["FREQ", "VELO-LSR", "TIME", "STOKES", "WAVE"])
    def test_planes_along_a_physical_axis_are_no_colours(self, ctype, noise, save):
        hdu = fits.PrimaryHDU(np.stack([noise] * 3))
        hdu.header["CTYPE3"] = ctype
        with pytest.raises(UsageError, match=f"axis {ctype} has 3 planes"):
            open_image(save(hdu))

    def test_a_cube_gives_the_plane_that_was_asked_for(self, noise, save):
        cube = np.stack([noise + k for k in range(5)])
        path = save(cube)
        with pytest.raises(UsageError, match=r"NAXIS3 has 5 planes.*--plane"):
            open_image(path)
        image = open_image(path, plane=3)
        assert isinstance(image, Image)
        np.testing.assert_array_equal(image.data, cube[3])
        assert image.origin.index == (3,)
        assert len(open_image(path, plane="all")) == 5
        with pytest.raises(UsageError, match="plane=5 does not exist"):
            open_image(path, plane="5")

    def test_two_long_axes_need_two_numbers(self, noise, save):
        cube = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) + noise
        path = save(cube)
        image = open_image(path, plane="1,2")
        np.testing.assert_array_equal(image.data, cube[1, 2])


class TestErrorMap:
    def test_sigma_from_another_file(self, noise, save):
        path = save(noise)
        errors = save(np.full(noise.shape, 3, np.float32), name="noise.fits")
        image = open_image(path, error=errors)
        assert np.all(image.rms == 3)
        assert any("read as sigma" in a for a in image.assumed)

    def test_a_weight_is_read_as_inverse_variance_and_zero_as_no_coverage(
        self, noise, save
    ):
        weight = np.full(noise.shape, 0.25, np.float32)
        weight[:5] = 0
        path = save(fits.PrimaryHDU(noise), fits.ImageHDU(weight, name="WEIGHT"))
        image = open_image(path, error="WEIGHT")
        assert np.all(image.rms == 2)
        assert np.all(image.flags[:5] == MaskBit.NO_COVERAGE)
        assert not image.flags[5:].any()
        assert any("inverse variance" in a for a in image.assumed)

    def test_a_map_of_another_shape_is_refused(self, noise, save):
        path = save(fits.PrimaryHDU(noise), fits.ImageHDU(noise[:, :-1], name="RMS"))
        with pytest.raises(ImageError, match="does not fit"):
            open_image(path, error="RMS", hdu=0)
        with pytest.raises(UsageError, match="neither an HDU nor a file"):
            open_image(path, error="nothing.fits", hdu=0)


def test_mask_extension_masks(noise, save):
    bad = np.zeros(noise.shape, np.uint8)
    bad[3] = 1
    path = save(fits.PrimaryHDU(noise), fits.ImageHDU(bad, name="MASK"))
    assert not open_image(path).flags.any()
    assert np.all(open_image(path, mask_ext="MASK").flags[3] == MaskBit.DQ)
    with pytest.raises(UsageError, match="--mask-ext"):
        open_image(path, dq_bits="1")


def test_missing_padding_is_accepted_aloud(noise, save):
    path = save(noise)
    path.write_bytes(path.read_bytes()[: 2880 + noise.nbytes])
    image = open_image(path)
    np.testing.assert_array_equal(image.data, noise)
    assert any("not filled up" in n for n in image.notices)


def test_wrong_checksums_are_said_loudly(noise, save):
    path = save(noise, checksum=True)
    assert not any("SUM" in n for n in open_image(path).notices)
    raw = bytearray(path.read_bytes())
    raw[2880 + 1000] ^= 4
    path.write_bytes(raw)
    assert any("DATASUM of HDU 0 is wrong" in n for n in open_image(path).notices)
    raw[2880 + 1000] ^= 4
    at = raw.index(b"EXTEND")
    raw[at : at + 6] = b"EXTENT"
    path.write_bytes(raw)
    assert any("CHECKSUM of HDU 0 is wrong" in n for n in open_image(path).notices)


@pytest.mark.parametrize("hdu", [0, 2, 3])
def test_the_sums_of_all_that_is_used_are_compared(noise, save, hdu):
    first = fits.PrimaryHDU(header=fits.Header({"GAIN": 2.0}))
    path = save(
        first,
        fits.ImageHDU(noise, name="SCI"),
        fits.ImageHDU(np.ones_like(noise), name="ERR"),
        fits.ImageHDU(np.zeros(noise.shape, np.int16), name="DQ"),
        checksum=True,
    )
    assert not any("SUM" in n for n in open_image(path).notices)
    raw = bytearray(path.read_bytes())
    with fits.open(path) as hdus:
        # Pixels of two HDUs, a digit of the gain of the first.
        at = hdus[hdu].fileinfo()["datLoc"] if hdu else raw.index(b"2.0")
    raw[at] ^= 1
    path.write_bytes(raw)
    assert any(f"SUM of HDU {hdu} is wrong" in n for n in open_image(path).notices)
    with pytest.raises(ReadError, match=f"SUM of HDU {hdu} is wrong"):
        open_image(path, strict=True)


def test_a_mask_that_lost_its_name_is_noticed_by_its_sum(noise, save):
    quality = np.ones(noise.shape, np.int16)
    path = save(
        fits.ImageHDU(noise, name="SCI"),
        fits.ImageHDU(quality, name="DQ"),
        fits.ImageHDU(noise, name="SCI", ver=2),
        checksum=True,
    )
    path.write_bytes(path.read_bytes().replace(b"'DQ      '", b"'DP      '"))
    image = open_image(path, hdu="SCI,1")
    assert [n for n in image.notices if "SUM" in n] == [
        "CHECKSUM of HDU 2 is wrong: its header was changed since"
    ]
    # It belongs to the other one.
    assert not any("SUM" in n for n in open_image(path, hdu="SCI,2").notices)


@pytest.mark.parametrize("key", ["CHECKSUM", "DATASUM"])
def test_a_sum_that_cannot_be_read_is_a_wrong_one(noise, save, key):
    path = save(noise, checksum=True)
    raw = bytearray(path.read_bytes())
    raw[raw.index(key.encode()) + 10] ^= 64
    path.write_bytes(raw)
    assert any("SUM of HDU 0 is wrong" in n for n in open_image(path).notices)


def test_a_reduced_file_does_not_read_the_next_hdu(noise, save):
    path = save(fits.PrimaryHDU(noise), fits.ImageHDU(noise + 1, name="B"))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ReadError, match=r"ends at byte \d+ of \d+ \(\d+ %\)"):
        open_image(path, hdu=0)


def test_user_mask_and_sigma_are_taken(noise, save):
    bad = np.zeros(noise.shape, bool)
    bad[1, 2] = True
    image = open_image(save(noise), mask=bad, rms=4.0)
    assert image.flags[1, 2] == MaskBit.USER
    assert np.all(image.rms == 4)
    with pytest.raises(ImageError, match="mask has shape"):
        open_image(save(noise), mask=bad[1:])


def test_unknown_options_are_named(noise):
    with pytest.raises(UsageError, match="hdus"):
        open_image(noise, hdus=1)
