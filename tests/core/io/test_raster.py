import json

import numpy as np
import pytest
import tifffile
from PIL import Image

from bgrem_core.errors import ImageError, ReadError
from bgrem_core.image import MaskBit
from bgrem_core.io import open_image, write
from bgrem_core.stack import StackSeparation


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}])
def test_tiffs_of_every_type_keep_values_and_row_order(dtype, options, rng, tmp_path):
    stored = rng.integers(0, 120, (40, 52)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, **options)
    image = open_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, stored.astype(np.float32))
    assert any("no sky coordinates" in n for n in image.notices)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_tiffs_are_stacks_and_come_back_in_their_shape(
    planar, noise, separate, tmp_path
):
    axis = -1 if planar == "contig" else 0
    stored = np.stack([noise, noise + 1, noise + 2], axis=axis)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar)
    stack = open_image(tmp_path / "a.tif")
    assert stack.kind == "rgb"
    result = StackSeparation(stack=stack, planes=tuple(map(separate, stack.planes)))
    out = write(result, tmp_path / "b.tif")
    again = tifffile.imread(out)
    assert again.shape == stored.shape
    for k, plane in enumerate(result.planes):
        np.testing.assert_array_equal(np.take(again, k, axis), plane.cleaned)


def test_grey_tiff_comes_back_as_float_with_provenance(noise, separate, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise)
    result = separate(open_image(tmp_path / "a.tif"))
    out = write(result, tmp_path / "b.tif")
    with tifffile.TiffFile(out) as tiff:
        np.testing.assert_array_equal(tiff.asarray(), result.cleaned)
        said = json.loads(tiff.pages[0].description)["bgrem"]
    assert (said["version"], said["method"], said["norm"]) == ("9.8.7", "mesh", None)


def test_a_tiff_may_become_fits(noise, separate, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise)
    result = separate(open_image(tmp_path / "a.tif"))
    again = open_image(write(result, tmp_path / "b.fits", layers=True))
    np.testing.assert_array_equal(again.data, result.cleaned)


def test_png_depths(rng, tmp_path):
    deep = rng.integers(0, 65536, (40, 52)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(open_image(tmp_path / "deep.png").data, deep)
    flat = (deep >> 8).astype(np.uint8)
    Image.fromarray(flat).save(tmp_path / "flat.png")
    image = open_image(tmp_path / "flat.png")
    np.testing.assert_array_equal(image.data, flat)
    assert any("8-bit" in n for n in image.notices)


def test_transparent_pixels_are_not_covered(rng, tmp_path):
    colours = rng.integers(0, 256, (40, 52, 4)).astype(np.uint8)
    colours[..., 3] = 255
    colours[:6, :, 3] = 0
    Image.fromarray(colours).save(tmp_path / "a.png")
    stack = open_image(tmp_path / "a.png")
    assert len(stack) == 3
    np.testing.assert_array_equal(stack.planes[1].data, colours[..., 1])
    assert np.all(stack.planes[0].flags[:6] == MaskBit.NO_COVERAGE)


def test_a_deep_colour_png_is_refused_before_it_is_truncated(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(path)
    raw = bytearray(path.read_bytes())
    raw[24] = 16
    path.write_bytes(raw)
    with pytest.raises(ReadError, match=r"lose half its bits.*TIFF"):
        open_image(path)


def test_damaged_rasters_are_unreadable(noise, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise, compression="zlib")
    Image.fromarray(noise.astype(np.uint16)).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        path = tmp_path / name
        raw = path.read_bytes()
        path.write_bytes(raw[: len(raw) // 2])
        with pytest.raises(ReadError):
            open_image(path)


def test_complex_tiffs_are_no_images(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((20, 20), np.complex64))
    with pytest.raises(ImageError, match="not real numbers"):
        open_image(tmp_path / "a.tif")
