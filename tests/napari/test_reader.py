"""The reader: what astropy reads, row 0 first, with all that belongs to it."""

import bz2
import gzip
import shutil

import numpy as np
import pytest
from astropy.io import fits
from napari.components import ViewerModel
from napari.layers import Image, Labels

import bgrem_core
from bgrem_core import samples
from bgrem_core.errors import ImageError, ReadError, UsageError
from bgrem_core.image import MaskBit
from napari_bgrem import placement, reader
from napari_bgrem.image_of import image_of, plane_of
from napari_bgrem.mark import mark_of
from napari_bgrem.reader import ENDINGS, get_reader, read_fits


@pytest.fixture
def sky():
    return np.random.default_rng(8).normal(100, 5, (30, 40)).astype(np.float32)


def names(layers):
    return [keywords["name"] for _, keywords, _ in layers]


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_are_taken_by_their_names(ending):
    for path in (f"/a/frame{ending}", f"FRAME{ending.upper()}", [f"a{ending}"] * 2):
        assert get_reader(path) is read_fits


@pytest.mark.parametrize(
    "path", ["a.png", "a.tif", "fits", "a.fits.zip", [], ["a.fits", "b.png"]]
)
def test_other_files_are_left_to_others(path):
    assert get_reader(path) is None


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i2", ">i4", "u1", ">u2"])
def test_pixels_are_those_that_astropy_reads_with_row_0_first(dtype, sky, save):
    path = save(sky.astype(dtype))
    ((data, keywords, kind),) = read_fits(str(path))
    assert kind == "image"
    assert keywords["name"] == "in"
    np.testing.assert_array_equal(data, fits.getdata(path))
    assert data.dtype == np.dtype("=f4")


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip), (".bz2", bz2)])
def test_packed_files_are_read(ending, pack, sky, save):
    plain = save(sky)
    packed = plain.with_name(f"packed.FITS{ending}")
    packed.write_bytes(pack.compress(plain.read_bytes()))
    ((data, keywords, _),) = read_fits(packed)
    np.testing.assert_array_equal(data, sky)
    assert keywords["name"] == "packed"
    assert keywords["metadata"]["path"] == str(packed)


@pytest.mark.parametrize("name", samples.names())
def test_real_files_read_as_astropy_reads_them(name):
    path = samples.path(name)
    (data, keywords, _) = read_fits(path)[0]
    with fits.open(path) as hdus:
        hdu = next(h for h in hdus if h.is_image and h.data is not None)
        np.testing.assert_array_equal(data, hdu.data.astype(np.float32))
        sky = ("CRVAL1", "CRPIX2", "CTYPE1")
        for key in sky if name != "satellite" else ("BUNIT", "DATE-OBS"):
            assert keywords["metadata"]["header"][key] == hdu.header[key]
    if name == "satellite":  # a raw frame: nothing says where it looks
        assert keywords["units"][0] == "pixel"
        return
    known = {"cfhtls_g": 0.186, "simulated": 0.25, "photons": 0.2}
    assert keywords["scale"][0] == pytest.approx(known.get(name, 0.263), rel=0.01)
    assert keywords["units"][0] == ("deg" if name == "photons" else "arcsec")


def test_all_images_of_a_file_are_read_and_what_is_no_science_is_hidden(sky, save):
    path = save(
        fits.ImageHDU(sky, name="SCI", ver=1),
        fits.ImageHDU(np.full_like(sky, 5), name="ERR", ver=1),
        fits.ImageHDU((sky > 105).astype(np.int16), name="DQ", ver=1),
        fits.ImageHDU(sky + 1, name="SCI", ver=2),
        fits.CompImageHDU(sky + 2, name="WHT"),
    )
    layers = read_fits(path)
    assert names(layers) == [
        "in [SCI,1]", "in [ERR]", "in [DQ]", "in [SCI,2]", "in [WHT]",
    ]  # fmt: skip
    assert [keywords.get("visible", True) for _, keywords, _ in layers] == [
        True, False, False, True, False,
    ]  # fmt: skip
    first = layers[0][1]["metadata"]["bgrem"].image
    assert (first.rms == 5).all()
    np.testing.assert_array_equal(
        first.flags & MaskBit.DQ != 0, fits.getdata(path, 3) != 0
    )
    np.testing.assert_array_equal(layers[3][0], sky + 1)


def test_hdus_without_a_name_are_numbered(sky, save):
    path = save(sky, fits.ImageHDU(sky + 1), fits.ImageHDU(sky + 2))
    assert names(read_fits(path)) == ["in [0]", "in [1]", "in [2]"]


def test_a_name_made_of_digits_is_not_taken_for_a_number(sky, save):
    path = save(
        fits.ImageHDU(sky + 1, name="2"),
        fits.ImageHDU(sky + 2, name="1"),
        fits.ImageHDU(sky + 3, name="0"),
    )
    layers = read_fits(path)
    assert names(layers) == ["in [2]", "in [1]", "in [0]"]
    for k, (data, _, _) in enumerate(layers, start=1):
        np.testing.assert_array_equal(data, sky + k)


def test_a_cube_is_one_layer_of_which_a_plane_can_be_taken(save, viewer):
    cube = np.random.default_rng(3).normal(0, 1, (5, 30, 40)).astype(np.float32)
    hdu = fits.PrimaryHDU(cube)
    hdu.header.update({"CTYPE3": "FREQ", "BUNIT": "Jy"})
    path = save(hdu)
    (layer,) = viewer.open(path, plugin="napari-bgrem")
    np.testing.assert_array_equal(layer.data, cube)
    with pytest.raises(UsageError, match="choose one of them"):
        image_of(layer)
    plane = plane_of(layer, 3)
    assert plane.unit == "Jy"
    assert plane.origin.path == path
    assert plane.origin.index == (3,)
    np.testing.assert_array_equal(plane.data, cube[3])


def test_colours_of_a_fits_file_are_one_layer_each(save):
    path = save(np.random.default_rng(3).random((3, 30, 40)).astype(np.float32))
    assert names(read_fits(path)) == ["in: red", "in: green", "in: blue"]


def test_axes_of_length_one_make_no_cube(sky, save):
    ((data, _, _),) = read_fits(save(sky[None, None]))
    np.testing.assert_array_equal(data, sky)


def test_what_cannot_be_shown_is_told_and_the_rest_is_shown(
    sky, save, told, monkeypatch
):
    monkeypatch.setattr(reader, "LARGEST_CUBE", 10_000)
    path = save(
        sky,
        fits.ImageHDU(np.zeros((9, 30, 40), np.float32), name="CUBE"),
        fits.ImageHDU(np.zeros((4, 4)), name="TINY"),
        fits.BinTableHDU.from_columns([fits.Column("X", "E", array=[1.0])], name="CAT"),
        fits.ImageHDU(np.full((20, 20), np.nan), name="EMPTY"),
    )
    assert names(read_fits(path)) == ["in [0]"]
    warned = told("warning")
    assert [w.split(" is not shown")[0] for w in warned] == [
        "in.fits: HDU 1 CUBE (40 x 30 x 9)",
        "in.fits: HDU 2 TINY (4 x 4)",
        "in.fits: HDU 4 EMPTY (20 x 20)",
    ]
    assert "plane=K" in warned[0]
    assert "too small" in warned[1]
    (said,) = told("info")
    assert said == "in.fits: not shown, as they are no images: HDU 3 CAT (table)"


def test_a_plain_file_tells_nothing(sky, save, told):
    read_fits(save(sky))
    assert told() == []


def test_if_nothing_can_be_shown_the_reason_is_raised(save):
    with pytest.raises(ImageError, match="too small"):
        read_fits(save(np.zeros((4, 4))))


def test_a_file_of_tables_holds_no_image(save):
    table = fits.BinTableHDU.from_columns([fits.Column("X", "E", array=[1.0])])
    with pytest.raises(ImageError, match="no HDU holds an image"):
        read_fits(save(table))


@pytest.mark.parametrize(("content", "said"), [
    (b"<html>404</html>", "HTML"),
    (b"", "empty"),
    (b"SIMPLE  =                    T", "ends at byte"),
])  # fmt: skip
def test_what_is_no_fits_is_refused_in_the_words_of_the_core(content, said, tmp_path):
    path = tmp_path / "bad.fits"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=said):
        read_fits(path)


def test_a_file_that_is_cut_off_is_refused(sky, save):
    path = save(sky)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ReadError, match="ends at byte"):
        read_fits(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ReadError):
        read_fits(tmp_path / "none.fits")


def test_a_damaged_hdu_hides_no_other(sky, save, told):
    path = save(fits.ImageHDU(sky, name="A"), fits.CompImageHDU(sky, name="B",
                compression_type="RICE_1", quantize_level=16))  # fmt: skip
    with fits.open(path, disable_image_compression=True) as hdus:
        start = hdus[2].fileinfo()["datLoc"] + 8 * 30
    content = bytearray(path.read_bytes())
    content[start : start + 400] = b"\xff" * 400
    path.write_bytes(content)
    layers = read_fits(path)
    assert names(layers)[0] == "in [A]"
    assert len(layers) + len([t for t in told("warning") if "HDU 2" in t]) == 2


def test_several_files_are_read_one_after_the_other(sky, save):
    paths = [str(save(sky + k, name=f"{k}.fits")) for k in range(2)]
    assert names(read_fits(paths)) == ["0", "1"]


def test_a_tiff_by_another_name_is_read(tmp_path, sky):
    import tifffile

    path = tmp_path / "wrong.fits"
    tifffile.imwrite(path, sky)
    ((data, keywords, _),) = read_fits(path)
    np.testing.assert_array_equal(data, sky)
    assert keywords["name"] == "wrong"


def test_a_viewer_opens_a_file_through_the_manifest(viewer, sky, save):
    path = save(sky, name="Frame.FITS")
    (layer,) = viewer.open(path, plugin="napari-bgrem")
    assert layer.name == "Frame"
    assert layer.source.reader_plugin == "napari-bgrem"
    opened = image_of(layer)
    assert opened.origin.path == path


def test_errors_reach_the_one_who_opens(viewer, tmp_path):
    path = tmp_path / "bad.fits"
    path.write_bytes(b"no")
    with pytest.raises(ReadError, match="FITS"):
        viewer.open(path, plugin="napari-bgrem")


def test_layers_of_a_result_look_as_after_a_run(tmp_path, viewer):
    result = bgrem_core.clean(samples.path("decam_i"), method="mesh")
    flags = result.flags
    flags[3:5, 3:5] |= np.uint8(MaskBit.SATURATED)
    path = bgrem_core.write(result, tmp_path / "out.fits", layers=True)
    layers = {layer.name: layer for layer in viewer.open(path, plugin="napari-bgrem")}
    by_role = {mark_of(layer).role: layer for layer in layers.values()}
    assert list(by_role) == [
        "original", "cleaned", "sky", "rms", "residual", "mask", "photometric",
    ]  # fmt: skip
    assert [r for r, layer in by_role.items() if layer.visible] == ["cleaned"]
    np.testing.assert_array_equal(by_role["cleaned"].data, result.cleaned)
    np.testing.assert_array_equal(by_role["residual"].data, result.residual)
    assert by_role["residual"].colormap.name == "blue-white-orange"
    mask = by_role["mask"]
    assert isinstance(mask, Labels)
    np.testing.assert_array_equal(mask.data, flags)
    assert mask.data.dtype == np.uint8
    assert "saturated" in list(mask.features["flags"])
    assert all(
        np.allclose(layer.scale, by_role["cleaned"].scale) for layer in layers.values()
    )
    again = image_of(by_role["cleaned"])
    np.testing.assert_array_equal(again.data, result.cleaned)


def test_numbers_of_sources_come_as_labels(sky, save):
    labels = np.zeros((30, 40), np.int32)
    labels[5:9, 5:9] = 70_001
    segm = fits.ImageHDU(labels, name="SEGM")
    segm.header["BGRLAYER"] = "SEGM"
    data, keywords, kind = read_fits(save(sky, segm))[1]
    assert kind == "labels"
    assert keywords["visible"] is False
    np.testing.assert_array_equal(data, labels)


def test_the_noise_of_a_result_sets_the_limits_of_its_residual(sky, save):
    cleaned, residual = fits.PrimaryHDU(sky), fits.ImageHDU(sky, name="RESIDUAL")
    cleaned.header.update({"BGRVER": "1", "BGRNORM": 0.5})
    residual.header["BGRLAYER"] = "RESIDUAL"
    low, high = read_fits(save(cleaned, residual))[2][1]["contrast_limits"]
    assert high - low == pytest.approx(8 * 2)


class Current:
    """Stands in for napari.current_viewer."""

    def __init__(self, viewer, monkeypatch):
        import napari.viewer  # as whoever has a viewer has done

        monkeypatch.setattr(napari, "current_viewer", lambda: viewer)


def orientation(viewer):
    return tuple(str(word) for word in viewer.scene.camera.orientation2d)


def test_the_camera_of_an_empty_viewer_is_turned(sky, save, monkeypatch):
    viewer = ViewerModel()
    Current(viewer, monkeypatch)
    assert orientation(viewer) == ("down", "right")
    read_fits(save(sky))
    assert orientation(viewer) == ("up", "right")


def test_the_camera_of_a_viewer_in_use_is_left_alone(sky, save, monkeypatch):
    viewer = ViewerModel()
    viewer.add_layer(Image(sky))
    Current(viewer, monkeypatch)
    read_fits(save(sky))
    assert orientation(viewer) == ("down", "right")


@pytest.mark.parametrize("viewer", [None, object()])
def test_reading_needs_no_viewer(viewer, sky, save, monkeypatch):
    Current(viewer, monkeypatch)
    assert len(read_fits(save(sky))) == 1


def test_without_a_viewer_none_is_looked_for(monkeypatch):
    monkeypatch.delitem(placement.sys.modules, "napari.viewer", raising=False)
    placement.turn_up()
    assert "napari.viewer" not in placement.sys.modules


def test_the_input_is_not_touched(tmp_path):
    copy = tmp_path / "copy.fits.fz"
    shutil.copy(samples.path("decam_r"), copy)
    before = copy.read_bytes()
    read_fits(copy)
    assert copy.read_bytes() == before
