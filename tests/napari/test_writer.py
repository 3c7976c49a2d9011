"""The writer: what is saved reads back with its header, and no input is harmed."""

import dataclasses
import shutil

import dask.array as da
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from napari.layers import Image, Labels, Layer

import bgrem_core
from bgrem_core import samples
from bgrem_core.errors import WriteError
from bgrem_core.image import MaskBit
from napari_bgrem.layers import image_layers
from napari_bgrem.products import result_layers
from napari_bgrem.reader import read_fits
from napari_bgrem.writer import write_labels, write_layer, write_layers

STRUCTURE = {
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT",
    "EXTEND", "CHECKSUM", "DATASUM", "INHERIT",
}  # fmt: skip


@pytest.fixture
def frame(tmp_path):
    """Give a copy of a compressed frame, which a test may try to harm."""
    path = tmp_path / "frame.fits.fz"
    shutil.copy(samples.path("decam_r"), path)
    return path


@pytest.fixture
def original(frame):
    return Layer.create(*read_fits(frame)[0])


@pytest.fixture
def result(original):
    return bgrem_core.clean(original.metadata["bgrem"].image, method="mesh")


@pytest.fixture
def layers(original, result):
    """Give the layers of a result by their roles, and the original."""
    made = [Layer.create(*t) for t in result_layers(result, like=original, run="1")]
    found = {layer.metadata["bgrem"].role: layer for layer in made}
    return {"original": original, **found}


def save(path, *layers):
    """Save as napari does."""
    tuples = [layer.as_layer_data_tuple() for layer in layers]
    if len(tuples) > 1:
        return write_layers(str(path), tuples)
    data, attributes, kind = tuples[0]
    write = {"image": write_layer, "labels": write_labels}[kind]
    return write(str(path), data, attributes)


def own_cards(header):
    return [str(card) for card in header.cards if card.keyword not in STRUCTURE]


def opened(path):
    """Open a file and check all that astropy can check."""
    hdus = fits.open(path, checksum=True)
    hdus.verify("exception")
    return hdus


def test_an_original_keeps_its_pixels_its_cards_and_its_wcs(original, tmp_path, frame):
    path = tmp_path / "out.fits"
    assert save(path, original) == [str(path)]
    with opened(path) as hdus, fits.open(frame) as source:
        assert len(hdus) == 1
        np.testing.assert_array_equal(hdus[0].data, source[1].data)
        assert hdus[0].header["BITPIX"] == -32
        assert own_cards(hdus[0].header) == own_cards(original.metadata["header"])
        corners = [[0, 0], [279, 374], [140, 3]]
        np.testing.assert_allclose(
            WCS(hdus[0].header).all_pix2world(corners, 0),
            WCS(source[1].header).all_pix2world(corners, 0),
            atol=1e-10,
        )
        assert hdus[0].header["EXTNAME"] == "N6"


def test_what_was_saved_reads_back_the_same(original, tmp_path):
    path = tmp_path / "out.fits"
    save(path, original)
    again = Layer.create(*read_fits(path)[0])
    np.testing.assert_array_equal(again.data, original.data)
    np.testing.assert_allclose(again.scale, original.scale)
    before, after = (x.metadata["bgrem"].image for x in (original, again))
    assert (after.gain, after.unit) == (before.gain, before.unit)


def test_a_cleaned_image_is_written_as_the_command_writes_it(
    layers, result, tmp_path, monkeypatch
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path, other = tmp_path / "out.fits", tmp_path / "other.fits"
    save(path, layers["cleaned"])
    bgrem_core.write(result, other)
    assert path.read_bytes() == other.read_bytes()
    with opened(path) as hdus:
        np.testing.assert_array_equal(hdus[1].data, result.cleaned)
        assert hdus[1].header["BGRMETH"] == "mesh"


def test_layers_of_one_run_are_written_as_its_layers(
    layers, result, tmp_path, monkeypatch
):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path, other = tmp_path / "out.fits", tmp_path / "other.fits"
    save(path, layers["residual"], layers["cleaned"], layers["mask"])
    bgrem_core.write(result, other, layers=True)
    assert path.read_bytes() == other.read_bytes()


def test_a_cleaned_image_that_was_changed_is_written_as_it_is_seen(layers, tmp_path):
    cleaned = layers["cleaned"]
    cleaned.data[4, 5] = 77
    path = tmp_path / "out.fits"
    save(path, cleaned)
    with opened(path) as hdus:
        assert len(hdus) == 1
        np.testing.assert_array_equal(hdus[0].data, cleaned.data)
        assert hdus[0].header["BGRMETH"] == "mesh"
        assert "changed in napari" in str(hdus[0].header["HISTORY"])


def test_layers_are_saved_though_the_input_is_gone(layers, result, frame, tmp_path):
    frame.unlink()
    path = tmp_path / "out.fits"
    save(path, layers["cleaned"])
    with opened(path) as hdus:
        np.testing.assert_array_equal(hdus[0].data, result.cleaned)
        assert hdus[0].header["BGRVER"]
        assert "changed" not in str(hdus[0].header["HISTORY"])


def test_a_part_alone_keeps_the_header_of_its_image_and_says_what_it_is(
    layers, result, tmp_path
):
    path = tmp_path / "out.fits"
    save(path, layers["residual"])
    with opened(path) as hdus:
        (hdu,) = hdus
        np.testing.assert_array_equal(hdu.data, result.residual)
        assert hdu.header["EXTNAME"] == "RESIDUAL"
        assert hdu.header["BGRLAYER"] == "RESIDUAL"
        assert hdu.header["BGRMETH"] == "mesh"
        assert hdu.header["GAINA"] == result.image.header["GAINA"]
        assert WCS(hdu.header).wcs.compare(result.image.wcs.wcs)
    again = Layer.create(*read_fits(path)[0])
    assert again.metadata["bgrem"].role == "residual"
    assert again.colormap.name == "blue-white-orange"


def test_a_mask_is_written_in_bytes(layers, tmp_path):
    layers["mask"].data[3:6, 3:6] = MaskBit.USER
    path = tmp_path / "out.fits"
    save(path, layers["mask"])
    with opened(path) as hdus:
        assert hdus[0].header["BITPIX"] == 8
        assert hdus[0].header["BGRLAYER"] == "MASK"
        assert "BUNIT" not in hdus[0].header
        np.testing.assert_array_equal(hdus[0].data, layers["mask"].data)
    again = Layer.create(*read_fits(path)[0])
    assert isinstance(again, Labels)
    np.testing.assert_array_equal(again.data, layers["mask"].data)


def test_a_mixed_group_is_one_hdu_a_layer(layers, tmp_path):
    path = tmp_path / "out.fits"
    save(path, *layers.values())
    with opened(path) as hdus:
        assert [hdu.name for hdu in hdus] == [role.upper() for role in layers]
        for hdu, layer in zip(hdus, layers.values(), strict=True):
            np.testing.assert_array_equal(hdu.data, layer.data)
    roles = [keys["metadata"]["bgrem"].role for _, keys, _ in read_fits(path)]
    assert roles == list(layers)


def test_units_are_those_of_the_image_but_not_on_maps_of_something_else(tmp_path):
    image = bgrem_core.open_image(
        np.random.default_rng(1).normal(100, 5, (60, 60)), unit="adu"
    )
    result = bgrem_core.clean(image, method="mesh")
    segm = np.ones(image.shape, np.int32)
    result = dataclasses.replace(result, extras={**result.extras, "segm": segm})
    path = tmp_path / "out.fits"
    made = [Layer.create(*t) for t in result_layers(result)][1:]
    save(path, *made)
    with opened(path) as hdus:
        units = {hdu.name: hdu.header.get("BUNIT") for hdu in hdus}
    assert units == {
        "RESIDUAL": "adu", "SKY": "adu", "MASK": None, "SEGM": None,
    }  # fmt: skip


@pytest.mark.parametrize(("dtype", "bitpix"), [
    ("bool", 8), ("u1", 8), ("i1", 16), (">i2", 16), ("u2", 32), ("i4", 32),
    ("u4", 64), ("i8", 64), ("f2", -32), ("f4", -32), (">f8", -64),
])  # fmt: skip
def test_layers_of_others_keep_every_value(dtype, bitpix, tmp_path):
    data = np.random.default_rng(2).integers(0, 2, (9, 7)).astype(dtype)
    if data.dtype.kind == "f":
        data[0, 0] = np.nan
    path = tmp_path / "out.fits"
    save(path, Image(data))
    with opened(path) as hdus:
        assert hdus[0].header["BITPIX"] == bitpix
        np.testing.assert_array_equal(hdus[0].data, data)


def test_layers_of_others_in_a_group_are_named(tmp_path):
    path = tmp_path / "out.fits"
    image, header = np.ones((9, 7)), fits.Header({"OBJECT": "M 42"})
    save(
        path,
        Image(image, name="deep field", metadata={"header": header}),
        Labels(np.ones((9, 7), int), name="spots"),
        Image(image, name="deep field", metadata={"header": "text"}),
        Image(image, name="Größe"),
    )
    with opened(path) as hdus:
        assert [(h.name, h.ver) for h in hdus] == [
            ("DEEP FIELD", 1), ("SPOTS", 1), ("DEEP FIELD", 2), ("GR?SSE", 1),
        ]  # fmt: skip
        assert hdus[0].header["OBJECT"] == "M 42"


def test_colours_planes_levels_and_lazy_arrays_are_written_whole(tmp_path):
    rng = np.random.default_rng(2)
    colours = rng.integers(0, 255, (30, 40, 3)).astype(np.uint8)
    cube = rng.normal(0, 1, (4, 5, 30, 40)).astype(np.float32)
    wide = rng.normal(0, 1, (30, 40))
    for layer, stored in (
        (Image(colours, rgb=True), np.moveaxis(colours, -1, 0)),
        (Image(cube), cube),
        (Image([wide, wide[::2, ::2]], multiscale=True), wide),
        (Image(da.from_array(cube, chunks=(1, 2, 9, 40))), cube),
    ):
        path = tmp_path / "out.fits"
        save(path, layer)
        np.testing.assert_array_equal(fits.getdata(path), stored)


def test_axes_of_length_one_come_back(tmp_path):
    source = tmp_path / "in.fits"
    hdu = fits.PrimaryHDU(np.random.default_rng(1).random((1, 1, 30, 40), "f4"))
    hdu.header.update({"CTYPE3": "FREQ", "CTYPE4": "STOKES"})
    hdu.writeto(source)
    path = tmp_path / "out.fits"
    save(path, Layer.create(*read_fits(source)[0]))
    with opened(path) as hdus:
        np.testing.assert_array_equal(hdus[0].data, hdu.data)
        assert hdus[0].header["CTYPE4"] == "STOKES"


def test_a_plane_of_a_cube_says_where_it_lay(tmp_path):
    source = tmp_path / "in.fits"
    hdu = fits.PrimaryHDU(np.random.default_rng(1).random((5, 30, 40), "f4"))
    hdu.header.update({"CTYPE3": "FREQ", "CRPIX3": 1.0, "CRVAL3": 1e9, "CDELT3": 1e6})
    hdu.writeto(source)
    plane = bgrem_core.open_image(source, plane=3)
    path = tmp_path / "out.fits"
    save(path, Layer.create(*image_layers(plane, name="in")[0]))
    with opened(path) as hdus:
        assert hdus[0].data.shape == (1, 30, 40)
        assert WCS(hdus[0].header).wcs_pix2world([[0, 0, 0]], 0)[0, 2] == 1.003e9


@pytest.mark.parametrize("role", ["original", "cleaned", "residual", "mask"])
def test_the_input_is_never_replaced(role, layers, tmp_path):
    plain = tmp_path / "plain.fits"
    fits.writeto(plain, layers["original"].data)
    image = bgrem_core.open_image(plain)
    result = bgrem_core.clean(image, method="mesh")
    source = Layer.create(*read_fits(plain)[0])
    made = [Layer.create(*t) for t in result_layers(result, like=source)]
    found = {layer.metadata["bgrem"].role: layer for layer in [source, *made]}
    before = plain.read_bytes()
    link = tmp_path / "link.fits"
    link.symlink_to(plain)
    for path in (plain, link):
        with pytest.raises(WriteError, match="is the input of the layer"):
            save(path, found[role])
        with pytest.raises(WriteError, match="is the input of the layer"):
            save(path, Image(np.ones((9, 9))), found[role])
    assert plain.read_bytes() == before


def test_the_file_of_a_cube_or_of_a_saved_part_is_not_replaced(layers, tmp_path):
    cube = tmp_path / "cube.fits"
    fits.writeto(cube, np.random.default_rng(1).random((5, 30, 40)))
    part = tmp_path / "part.fits"
    save(part, layers["residual"])
    for path in (cube, part):
        with pytest.raises(WriteError, match="save under another name"):
            save(path, Layer.create(*read_fits(path)[0]))


def test_another_file_is_replaced_whole(original, tmp_path):
    path = tmp_path / "out.fits"
    path.write_bytes(b"x" * 10_000_000)
    save(path, original)
    with opened(path) as hdus:
        np.testing.assert_array_equal(hdus[0].data, original.data)


def test_a_failure_leaves_what_was_there(original, tmp_path, monkeypatch):
    path = tmp_path / "out.fits"
    path.write_bytes(b"precious")
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0)
    )
    with pytest.raises(WriteError, match="MiB are needed"):
        save(path, original)
    assert path.read_bytes() == b"precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["frame.fits.fz", "out.fits"]


def test_what_fits_cannot_hold_is_refused(tmp_path):
    layer = np.ones((9, 9), complex), {"name": "waves"}, "image"
    with pytest.raises(WriteError, match="'waves' holds complex128 values, which FITS"):
        write_layer(str(tmp_path / "out.fits"), *layer[:2])
    assert not list(tmp_path.iterdir())


def test_every_refusal_is_an_error_of_writing(layers, tmp_path):
    # napari takes a ValueError for "there is no writer" and tells nobody.
    with pytest.raises(WriteError, match="does not exist"):
        save(tmp_path / "none" / "out.fits", layers["cleaned"])
    with pytest.raises(WriteError, match="no type that can hold"):
        save(tmp_path / "out.txt", layers["cleaned"])


def test_a_viewer_saves_through_the_manifest(viewer, frame, tmp_path):
    (layer,) = viewer.open(frame, plugin="napari-bgrem")
    viewer.add_labels(np.ones(layer.data.shape, np.uint8), name="mine")
    one, two, three = (str(tmp_path / f"{n}.fits") for n in "123")
    assert layer.save(one) == [one]
    assert viewer.layers["mine"].save(two) == [two]
    assert viewer.layers.save(three) == [three]
    assert fits.getdata(two).sum() == layer.data.size
    with fits.open(three) as hdus:
        assert [hdu.name for hdu in hdus] == ["ORIGINAL", "MINE"]
    (again,) = viewer.open(one, plugin="napari-bgrem")
    with pytest.raises(WriteError, match="is the input"):
        again.save(one)
