import gzip
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from astropy.io import fits

from bgrem_core.errors import UsageError, WriteError
from bgrem_core.io import atomic, is_product, list_hdus, open_all, open_image, write
from bgrem_core.io.container import open_container
from bgrem_core.io.fits import plain_cards, scan_fits
from bgrem_core.planes import constant
from bgrem_core.stack import StackSeparation

GONE = {"BITPIX", "BSCALE", "BZERO", "BLANK", "CHECKSUM", "DATASUM", "DATAMIN",
        "DATAMAX", "SIMPLE", "XTENSION", "PCOUNT", "GCOUNT"}  # fmt: skip


def cards(path, index):
    with open_container(path) as container:
        return plain_cards(scan_fits(container).records[index])


def kept(path, index):
    def own(card):
        return card.startswith((b"BGR", b"HISTORY bgrem"))

    every = [c for c in cards(path, index) if not own(c)]
    return [c for c in every if c[:8].decode().strip() not in GONE]


def raw_hdu(path, index):
    with open_container(path) as container:
        record = scan_fits(container).records[index]
        return container.read(record.start, record.end - record.start)


def rich_header():
    header = fits.Header()
    header["OBJECT"] = ("M 31", "what was seen")
    header["DATAMAX"] = 1200.0
    header["HIERARCH ESO INS FILT1 NAME"] = "r_SDSS"
    header["LONG"] = "a text that does not fit " * 5
    header["COMMENT"] = "one"
    header["COMMENT"] = "two"
    header["CRPIX1"], header["CRPIX2"] = 20.5, 21.5
    header["CRVAL1"], header["CRVAL2"] = 10.0, 41.0
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CD1_1"], header["CD2_2"] = -1e-4, 1e-4
    header["HISTORY"] = "flat-fielded"
    return header


def test_cleaned_image_reads_back_bit_for_bit_with_valid_checksums(
    noise, save, separate, tmp_path
):
    noise[4, 5] = np.nan
    noise[6, 7] = np.inf
    path = save(fits.PrimaryHDU(noise, rich_header()))
    result = separate(open_image(path), method="bgrem")
    out = write(result, tmp_path / "out.fits", layers=True)
    with fits.open(out, checksum=True) as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus[0].data, result.cleaned)
        assert hdus[0].header["BITPIX"] == -32
        assert hdus[0].header["BGRUSE"] == "DETECT"
        assert hdus[0].header["BGRGAIN"] == "UNKNOWN"
        assert "DATAMAX" not in hdus[0].header
        assert is_product(hdus[0].header)
        names = ["SKY", "NOISE", "RMS", "RESIDUAL", "MASK", "SUBTRACTED"]
        assert [h.name for h in hdus[1:]] == names
        np.testing.assert_array_equal(hdus["SKY"].data, result.sky)
        np.testing.assert_array_equal(hdus["MASK"].data, result.flags)
        np.testing.assert_array_equal(hdus["RESIDUAL"].data, result.residual)
        assert all(h.header["CRVAL1"] == 10.0 for h in hdus)
        assert all("CHECKSUM" in h.header for h in hdus)


def test_cards_keep_their_order_and_bytes(noise, save, separate, tmp_path):
    path = save(fits.PrimaryHDU(noise, rich_header()))
    out = write(separate(open_image(path)), tmp_path / "out.fits")
    assert kept(out, 0) == kept(path, 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float64])
def test_any_input_type_becomes_float32_without_stale_cards(
    dtype, rng, save, separate, tmp_path
):
    path = save(rng.integers(0, 200, (40, 44)).astype(dtype), checksum=True)
    result = separate(open_image(path))
    out = write(result, tmp_path / "out.fits")
    with fits.open(out, checksum=True) as hdus:
        np.testing.assert_array_equal(hdus[0].data, result.cleaned)
        assert hdus[0].data.dtype == np.dtype(">f4")
        assert not {"BSCALE", "BZERO", "BLANK"} & set(hdus[0].header)
    assert kept(out, 0) == kept(path, 0)


def test_other_hdus_are_copied_byte_for_byte(noise, save, separate, tmp_path):
    table = fits.BinTableHDU.from_columns(
        [fits.Column("t", "PE()", array=np.array([[1.0], [2.0, 3.0]], object))],
        name="CAT",
    )
    path = save(
        fits.ImageHDU(noise, name="SCI"),
        fits.ImageHDU(np.ones(noise.shape, np.int16), name="DQ"),
        table,
        fits.CompImageHDU(noise + 1, name="WHT", quantize_level=8),
    )
    image = open_image(path, dq_bits="2")
    out = write(separate(image), tmp_path / "out.fits", layers=True)
    for index in (0, 2, 3, 4):
        assert raw_hdu(out, index) == raw_hdu(path, index)
    assert list_hdus(out)[1].name == "SCI"


def test_layers_get_a_new_version_where_a_name_is_taken(
    noise, save, separate, tmp_path
):
    path = save(fits.ImageHDU(noise, name="SCI"), fits.ImageHDU(noise, name="MASK"))
    out = write(separate(open_image(path)), tmp_path / "out.fits", layers=True)
    found = [(h.name, h.version) for h in list_hdus(out)]
    assert found.count(("MASK", 1)) == found.count(("MASK", 2)) == 1


def test_segments_and_uncertainty_are_layers_of_their_own(noise, separate, tmp_path):
    image = open_image(noise, unit="adu")
    labels = np.arange(noise.size, dtype=np.int32).reshape(noise.shape)
    result = separate(
        image, extras={"segm": labels}, uncertainty=constant(2, noise.shape)
    )
    out = write(result, tmp_path / "out.fits", layers=True)
    with fits.open(out, checksum=True) as hdus:
        np.testing.assert_array_equal(hdus["SEGM"].data, labels)
        assert np.all(hdus["UNCERT"].data == 2)
        assert "do not add" in str(hdus["UNCERT"].header["COMMENT"])
        assert hdus[0].header["BUNIT"] == hdus["SKY"].header["BUNIT"] == "adu"
        assert "BUNIT" not in hdus["SEGM"].header


@pytest.mark.parametrize("pack", ["RICE_1", "GZIP_2"])
def test_a_compressed_image_comes_back_plain_at_its_index(
    pack, noise, save, separate, tmp_path
):
    hdu = fits.CompImageHDU(noise, rich_header(), compression_type=pack, name="N6")
    path = save(hdu, fits.ImageHDU(noise, name="WHT"), name="in.fits.fz")
    result = separate(open_image(path, hdu="N6"))
    out = write(result, tmp_path / "out.fits")
    with fits.open(out, checksum=True) as hdus:
        hdus.verify("exception")
        assert type(hdus[1]) is fits.ImageHDU
        assert hdus[1].name == "N6"
        np.testing.assert_array_equal(hdus[1].data, result.cleaned)
        assert hdus[1].header["LONG"] == ("a text that does not fit " * 5).rstrip()
        assert not any(k.startswith(("Z", "TTYPE", "TFORM")) for k in hdus[1].header)
    assert kept(out, 1) == kept(path, 1)


def test_a_packed_input_comes_back_unpacked(noise, save, separate, tmp_path):
    path = save(fits.PrimaryHDU(noise), fits.ImageHDU(noise, name="B"))
    packed = tmp_path / "in.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    out = write(separate(open_image(packed, hdu=0)), tmp_path / "out.fits")
    assert raw_hdu(out, 1) == raw_hdu(path, 1)


def test_degenerate_axes_are_restored(noise, save, separate, tmp_path):
    path = save(noise[None, None])
    result = separate(open_image(path))
    with fits.open(write(result, tmp_path / "out.fits", layers=True)) as hdus:
        assert hdus[0].data.shape == hdus["SKY"].data.shape == (1, 1, *noise.shape)
        np.testing.assert_array_equal(hdus[0].data[0, 0], result.cleaned)


def test_colours_come_back_in_their_shape(noise, save, separate, tmp_path):
    path = save(np.stack([noise, noise + 1, noise + 2]))
    stack = open_image(path)
    result = StackSeparation(stack=stack, planes=tuple(map(separate, stack.planes)))
    with fits.open(write(result, tmp_path / "o.fits"), checksum=True) as hdus:
        assert hdus[0].data.shape == (3, *noise.shape)
        for k, plane in enumerate(result.planes):
            np.testing.assert_array_equal(hdus[0].data[k], plane.cleaned)


def test_one_plane_of_a_cube_keeps_its_place_on_the_axis(
    noise, save, separate, tmp_path
):
    hdu = fits.PrimaryHDU(np.stack([noise + k for k in range(5)]))
    hdu.header.update({"CTYPE3": "FREQ", "CRPIX3": 1.0, "CRVAL3": 1.4, "CDELT3": 0.1})
    path = save(hdu)
    out = write(separate(open_image(path, plane=3)), tmp_path / "out.fits")
    header = fits.getheader(out)
    assert header["NAXIS3"] == 1
    frequency = header["CRVAL3"] + (1 - header["CRPIX3"]) * header["CDELT3"]
    assert frequency == pytest.approx(1.7)


def test_all_images_of_a_file_are_replaced_together(noise, save, separate, tmp_path):
    path = save(*(fits.ImageHDU(noise + k, name=f"CCD{k}") for k in (1, 2)))
    results = [separate(image) for image in open_all(path)]
    out = write(results, tmp_path / "out.fits", layers=True)
    with fits.open(out, checksum=True) as hdus:
        for k in (1, 2):
            np.testing.assert_array_equal(hdus[k].data, results[k - 1].cleaned)
        assert [h.ver for h in hdus if h.name == "SKY"] == [1, 2]


def test_a_result_opens_as_its_cleaned_image(noise, save, separate, tmp_path):
    result = separate(open_image(save(noise)))
    out = write(result, tmp_path / "out.fits", layers=True)
    again = open_image(out)
    assert again.origin.hdu == 0
    assert is_product(again.header)
    np.testing.assert_array_equal(again.data, result.cleaned)


def test_a_second_run_replaces_the_keys_of_the_first(noise, save, separate, tmp_path):
    first = write(separate(open_image(save(noise))), tmp_path / "one.fits")
    second = write(separate(open_image(first), gain=2.0), tmp_path / "two.fits")
    header = fits.getheader(second)
    assert header.count("BGRVER") == header.count("BGRGAIN") == 1
    assert header["BGRGAIN"] == 2.0
    assert len([h for h in header["HISTORY"] if h.startswith("bgrem")]) == 2


def test_clipping_is_a_view_and_is_said(noise, separate, tmp_path):
    noise -= 1000
    noise[3, 3] = np.nan
    result = separate(open_image(noise))
    assert np.nanmin(result.cleaned) < 0
    out = write(result, tmp_path / "out.fits", clip=True)
    with fits.open(out) as hdus:
        np.testing.assert_array_equal(hdus[0].data, np.maximum(result.cleaned, 0))
        assert hdus[0].header["BGRCLIP"] is True


def test_equal_results_give_equal_files(noise, save, separate, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    result = separate(open_image(save(noise)))
    one = write(result, tmp_path / "one.fits", layers=True)
    two = write(result, tmp_path / "two.fits", layers=True)
    assert one.read_bytes() == two.read_bytes()
    assert fits.getheader(one)["BGRDATE"] == "2023-11-14T22:13:20"


def test_non_ascii_characters_are_made_legal(noise, save, separate, tmp_path):
    path = save(fits.PrimaryHDU(noise, fits.Header({"OBSERVER": "Mxller"})))
    path.write_bytes(path.read_bytes().replace(b"Mxller", b"M\xfcller"))
    image = open_image(path)
    assert any("does not allow" in n for n in image.notices)
    out = write(separate(image), tmp_path / "out.fits")
    assert fits.getheader(out)["OBSERVER"] == "M?ller"


class TestTargets:
    def test_an_existing_file_is_left_alone(self, noise, separate, tmp_path):
        target = tmp_path / "out.fits"
        target.write_bytes(b"precious")
        with pytest.raises(WriteError, match=r"exists already.*--overwrite"):
            write(separate(open_image(noise)), target)
        assert target.read_bytes() == b"precious"
        write(separate(open_image(noise)), target, overwrite=True)
        assert fits.getdata(target).shape == noise.shape

    @pytest.mark.parametrize("link", [os.link, os.symlink])
    def test_the_input_is_never_overwritten(self, link, noise, save, separate, sha):
        path = save(noise)
        before = sha(path)
        other = path.with_name("other.fits")
        link(path, other)
        for target in (path, other):
            with pytest.raises(WriteError, match="is the input itself"):
                write(separate(open_image(path)), target, overwrite=True)
        assert sha(path) == before

    def test_a_missing_folder_is_named(self, noise, separate, tmp_path):
        with pytest.raises(WriteError, match="does not exist"):
            write(separate(open_image(noise)), tmp_path / "no" / "out.fits")

    def test_a_type_that_cannot_hold_the_values_is_refused(
        self, noise, separate, tmp_path
    ):
        result = separate(open_image(noise))
        for name in ("out.png", "out.jpg", "out"):
            with pytest.raises(UsageError, match=r"use \.fits or \.tif"):
                write(result, tmp_path / name)
        with pytest.raises(UsageError, match="cannot hold layers"):
            write(result, tmp_path / "out.tif", layers=True)

    def test_an_input_that_changed_is_noticed(self, noise, save, separate, tmp_path):
        path = save(noise)
        result = separate(open_image(path))
        save(noise[:-1])
        with pytest.raises(WriteError, match="was changed since"):
            write(result, tmp_path / "out.fits")


class TestFaults:
    def test_a_full_disk_is_asked_first(self, noise, separate, tmp_path, monkeypatch):
        usage = type("Usage", (), {"free": 100})
        monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
        with pytest.raises(WriteError, match="are free"):
            write(separate(open_image(noise)), tmp_path / "out.fits")
        assert not list(tmp_path.iterdir())

    def test_a_disk_that_fills_up_leaves_the_old_file(
        self, noise, separate, tmp_path, monkeypatch
    ):
        target = tmp_path / "out.fits"
        target.write_bytes(b"precious")
        create = atomic._create

        def small_disk(path):
            file = create(path)
            count = [0]
            write_bytes = file.write

            class Full:
                def __getattr__(self, name):
                    return getattr(file, name)

                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    file.close()

                def write(self, data):
                    count[0] += len(data)
                    if count[0] > 4000:
                        raise OSError(28, "No space left on device")
                    return write_bytes(data)

            return Full()

        monkeypatch.setattr(atomic, "_create", small_disk)
        with pytest.raises(WriteError, match=r"No space left.*make room"):
            write(separate(open_image(noise)), target, overwrite=True)
        assert target.read_bytes() == b"precious"
        assert [p.name for p in tmp_path.iterdir()] == ["out.fits"]

    def test_ctrl_c_leaves_nothing_behind(self, noise, separate, tmp_path):
        result = separate(open_image(noise))

        class Interrupted:
            shape, dtype = noise.shape, noise.dtype

            def __getitem__(self, key):
                raise KeyboardInterrupt

        result.parts["sky"] = Interrupted()
        with pytest.raises(KeyboardInterrupt):
            write(result, tmp_path / "out.fits")
        assert not list(tmp_path.iterdir())

    @pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
    def test_a_killed_writer_leaves_the_old_file_and_is_swept_up(self, tmp_path):
        target = tmp_path / "out.fits"
        target.write_bytes(b"precious")
        code = f"""
            import time
            from bgrem_core.io.atomic import atomic_write
            with atomic_write({str(target)!r}, overwrite=True) as file:
                file.write(bytes(100_000))
                file.flush()
                print("writing", flush=True)
                time.sleep(60)
        """
        run = [sys.executable, "-c", textwrap.dedent(code)]
        with subprocess.Popen(run, stdout=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"writing\n"
            assert len(list(tmp_path.glob(".bgrem-*"))) == 1
            atomic.sweep(tmp_path)
            # A living writer keeps its file.
            assert len(list(tmp_path.glob(".bgrem-*"))) == 1
            process.send_signal(signal.SIGKILL)
        assert target.read_bytes() == b"precious"
        assert len(list(tmp_path.glob(".bgrem-*"))) == 1
        with atomic.atomic_write(target, overwrite=True) as file:
            file.write(b"new")
        assert target.read_bytes() == b"new"
        assert [p.name for p in tmp_path.iterdir()] == ["out.fits"]

    def test_a_target_that_appears_meanwhile_is_not_lost(self, tmp_path):
        target = tmp_path / "out.txt"

        def race():
            with atomic.atomic_write(target) as file:
                file.write(b"ours")
                target.write_bytes(b"theirs")

        with pytest.raises(WriteError, match="exists already"):
            race()
        assert target.read_bytes() == b"theirs"
        assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]
