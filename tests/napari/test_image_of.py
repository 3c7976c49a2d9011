"""From layers to images: ours give what was opened, others become a new one."""

import dask.array as da
import numpy as np
import pytest
from astropy.io import fits
from napari.components import LayerList
from napari.layers import Image, Labels, Layer, Points, Shapes
from napari.layers._layer_actions import _duplicate_layer
from napari.layers._source import layer_source

import bgrem_core
from bgrem_core import samples
from bgrem_core.errors import ImageError, UsageError
from bgrem_core.image import MaskBit, Stack
from napari_bgrem.image_of import image_of, plane_of
from napari_bgrem.layers import cube_layer, image_layers
from napari_bgrem.products import result_layers


@pytest.fixture
def array():
    return np.random.default_rng(4).normal(100, 5, (30, 40)).astype(np.float32)


@pytest.fixture
def image():
    return bgrem_core.open_image(samples.path("decam_r"), gain=2.5)


@pytest.fixture
def layer(image):
    return Layer.create(*image_layers(image, name="frame")[0])


def test_our_layer_gives_the_very_image_that_was_opened(layer, image):
    assert image_of(layer) is image


def test_a_copy_of_our_layer_gives_it_too(layer, image):
    layers = LayerList([layer])
    layers.selection.active = layer
    _duplicate_layer(layers)
    twin = layers[1]
    assert twin.data is not layer.data
    assert image_of(twin) is image
    layer.data = layer.data.copy()
    assert image_of(layer) is image


def test_pixels_that_were_changed_make_a_new_image(layer, image):
    changed = image.data.copy()
    changed[50:60, 50:60] = np.nan
    layer.data = changed
    other = image_of(layer)
    assert other is not image
    assert other.flags[55, 55] & MaskBit.NON_FINITE
    assert other.header["DETECTOR"] == image.header["DETECTOR"]
    assert other.gain == 2.5
    assert other.wcs.wcs.compare(image.wcs.wcs)


def test_a_large_layer_gives_its_full_level():
    wide = np.random.default_rng(1).normal(9, 1, (20, 4200)).astype(np.float32)
    image = bgrem_core.open_image(wide)
    layer = Layer.create(*image_layers(image, name="wide")[0])
    assert layer.multiscale
    assert image_of(layer) is image
    stranger = Image([wide, wide[::2, ::2]], multiscale=True)
    np.testing.assert_array_equal(image_of(stranger).data, wide)


def test_layers_of_a_result_are_images_with_the_header_of_their_source(layer, image):
    result = bgrem_core.clean(image, method="mesh")
    layers = [Layer.create(*t) for t in result_layers(result, like=layer)]
    cleaned = image_of(layers[0])
    assert cleaned is not image
    np.testing.assert_array_equal(cleaned.data, result.cleaned)
    assert cleaned.header["DETECTOR"] == image.header["DETECTOR"]
    assert cleaned.unit == image.unit
    assert cleaned.gain == 2.5


@pytest.mark.parametrize("dtype", [">f4", "<f8", ">i2", "uint16", "uint8", "bool"])
def test_layers_of_others_become_images_of_any_type(array, dtype):
    data = (array > 100).astype(dtype) if dtype == "bool" else array.astype(dtype)
    opened = image_of(Image(data))
    assert opened.data.dtype == np.float32
    np.testing.assert_array_equal(opened.data, data.astype(np.float32))


def test_the_header_of_a_stranger_is_used(array):
    header = fits.Header({"BUNIT": "adu", "GAIN": 3.0})
    for given in (header, dict(header)):
        opened = image_of(Image(array, metadata={"header": given}))
        assert (opened.unit, opened.gain) == ("adu", 3.0)
    assert image_of(Image(array, metadata={"header": "a text"})).header is None


def test_lazy_arrays_are_read(array):
    lazy = da.from_array(array, chunks=(7, 9))
    np.testing.assert_array_equal(image_of(Image(lazy)).data, array)
    planes = Image(da.stack([lazy, lazy + 1]))
    np.testing.assert_array_equal(plane_of(planes, 1).data, array + 1)


def test_a_layer_in_colour_is_a_stack_without_its_alpha(array):
    colours = np.random.default_rng(2).integers(0, 255, (30, 40, 4)).astype(np.uint8)
    colours[..., 3] = 255
    colours[:3, :3, 3] = 0
    opened = image_of(Image(colours, rgb=True))
    assert isinstance(opened, Stack)
    assert opened.kind == "rgb"
    for k, plane in enumerate(opened.planes):
        np.testing.assert_array_equal(plane.data, colours[..., k])
        assert plane.mask[1, 1]
        assert not plane.mask[9, 9]


def test_a_single_colour_pixel_row_is_no_image():
    with pytest.raises(ImageError, match="too small"):
        image_of(Image(np.zeros((4, 40, 3), np.uint8), rgb=True))


@pytest.mark.parametrize(("layer", "kind"), [
    (Labels(np.zeros((30, 40), np.uint8), name="spots"), "labels"),
    (Points([[1, 2.0]], name="spots"), "points"),
    (Shapes(name="spots"), "shapes"),
])  # fmt: skip
def test_labels_points_and_shapes_are_no_image(layer, kind):
    with pytest.raises(UsageError, match=f"'spots' is no image: it holds {kind}"):
        image_of(layer)
    with pytest.raises(UsageError, match="choose an image layer"):
        plane_of(layer, 0)


def test_a_cube_asks_for_a_plane(array):
    cube = Image(np.stack([array] * 5), name="cube")
    with pytest.raises(UsageError, match=r"'cube' has 5 planes\. choose one of them"):
        image_of(cube)
    four = Image(np.stack([[array] * 5] * 2), name="four")
    with pytest.raises(UsageError, match="2 x 5 planes"):
        image_of(four)
    np.testing.assert_array_equal(plane_of(four, (1, 2)).data, array)


@pytest.mark.parametrize("index", [5, -1, (0, 0)])
def test_a_plane_that_is_not_there_is_refused(array, index):
    cube = Image(np.stack([array] * 5), name="cube")
    with pytest.raises(UsageError, match="its planes are 5, from 0"):
        plane_of(cube, index)


def test_a_flat_layer_has_no_planes(array):
    with pytest.raises(UsageError, match="its planes are one"):
        plane_of(Image(array), 0)


def test_our_cube_gives_the_very_plane_until_it_is_changed():
    data = np.random.default_rng(6).normal(9, 1, (5, 30, 40)).astype(np.float32)
    stack = bgrem_core.open_image(data, plane="all", unit="Jy")
    cube = Layer.create(*cube_layer(stack, name="cube"))
    assert plane_of(cube, 3) is stack.planes[3]
    cube.data = data + 1
    assert plane_of(cube, 3) is not stack.planes[3]
    assert plane_of(cube, 3).unit == "Jy"


@pytest.mark.parametrize(("data", "said"), [
    (np.zeros((9, 40)), "too small"),
    (np.full((20, 20), np.nan), "no pixel of the image is finite"),
    (np.ones((20, 20), complex), "complex"),
])  # fmt: skip
def test_what_the_core_cannot_use_is_refused_in_its_words(data, said):
    layer = Image(np.zeros(data.shape))
    layer._data = data
    with pytest.raises(ImageError, match=said):
        image_of(layer)


def test_a_fits_image_that_napari_read_itself_comes_with_a_notice(array):
    with layer_source(path="/a/b.fits", reader_plugin="napari"):
        turned = Image(array)
    assert any("upside down" in n for n in image_of(turned).notices)
    with layer_source(path="/a/b.png", reader_plugin="napari"):
        other = Image(array)
    assert not any("upside down" in n for n in image_of(other).notices)
