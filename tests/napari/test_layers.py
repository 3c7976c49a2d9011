"""Images and results as layers: data, look, place and mark."""

import dataclasses

import numpy as np
import pytest
from astropy.io import fits
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

import bgrem_core
from bgrem_core import samples
from bgrem_core.display import shared_limits, zscale_limits
from bgrem_core.image import MaskBit
from bgrem_core.planes import LazyPlane
from napari_bgrem import layers as images
from napari_bgrem import looks
from napari_bgrem import products as made
from napari_bgrem.mark import FROM, Mark, mark_of, marked
from napari_bgrem.placement import placement_like, placement_of


@pytest.fixture(scope="module")
def image():
    return bgrem_core.open_image(samples.path("decam_r"))


@pytest.fixture(scope="module")
def result(image):
    return bgrem_core.clean(image, method="mesh")


def as_layers(tuples):
    return {layer.name: layer for layer in (Layer.create(*t) for t in tuples)}


def test_an_image_is_one_grey_layer_of_its_own_pixels(image):
    (layer,) = as_layers(images.image_layers(image, name="frame")).values()
    assert isinstance(layer, Image)
    assert layer.name == "frame"
    assert layer.data is image.data
    assert layer.colormap.name == "gray"
    assert layer.interpolation2d == "nearest"
    low, high = zscale_limits(image.data)
    sigma = 7.5
    np.testing.assert_allclose(layer.contrast_limits, (low, high), atol=2 * sigma)
    assert mark_of(layer).role == "original"
    assert mark_of(layer).image is image
    assert layer.metadata["header"] is image.header
    assert layer.metadata["wcs"] is image.wcs


def test_the_scale_of_a_layer_is_that_of_the_sky_in_arcseconds(image):
    (layer,) = as_layers(images.image_layers(image, name="frame")).values()
    # The Dark Energy Camera has 0.2626 arcsec a pixel at its centre.
    np.testing.assert_allclose(layer.scale, 0.2626, rtol=0.01)
    assert [str(unit) for unit in layer.units] == ["arcsecond"] * 2


def test_an_image_without_sky_coordinates_is_in_pixels():
    plain = bgrem_core.open_image(np.eye(20, dtype=np.float32))
    assert placement_of(plain) == {"scale": (1.0, 1.0), "units": ("pixel", "pixel")}


@pytest.mark.parametrize(("count", "words"), [
    (3, ["red", "green", "blue"]),
    (4, ["red", "green", "blue", "plane 3"]),
])  # fmt: skip
def test_colours_are_one_layer_each(count, words):
    stack = bgrem_core.open_image(np.random.default_rng(1).random((count, 20, 30)))
    layers = as_layers(images.image_layers(stack, name="m42"))
    assert list(layers) == [f"m42: {word}" for word in words]
    for layer, plane in zip(layers.values(), stack.planes, strict=True):
        assert layer.data is plane.data
        assert mark_of(layer).image is plane


def test_planes_of_a_cube_are_one_layer_each_or_one_with_a_slider():
    array = np.random.default_rng(1).random((5, 20, 30)).astype(np.float32)
    header = fits.Header({"CTYPE3": "FREQ"})
    stack = bgrem_core.open_image(array, plane="all", header=header)
    assert list(as_layers(images.image_layers(stack, name="cube"))) == [
        f"cube: FREQ {k}" for k in range(5)
    ]
    layer = Layer.create(*images.cube_layer(stack, name="cube"))
    np.testing.assert_array_equal(layer.data, array)
    assert np.shares_memory(layer.data, stack.planes[3].data)
    assert mark_of(layer).stack is stack


def test_a_cube_of_separate_planes_is_copied_together():
    array = np.random.default_rng(1).random((5, 20, 30)).astype(np.float32)
    stack = bgrem_core.open_image(array, plane="all")
    planes = tuple(dataclasses.replace(p, data=p.data.copy()) for p in stack.planes)
    shuffled = dataclasses.replace(stack, planes=stack.planes[::-1])
    for other in (dataclasses.replace(stack, planes=planes), shuffled):
        data = images.cube_layer(other, name="cube")[0]
        np.testing.assert_array_equal(data, [p.data for p in other.planes])


def test_a_result_is_one_layer_for_each_of_its_planes(image, result):
    source = Layer.create(*images.image_layers(image, name="frame")[0])
    source.translate = (3, 4)
    layers = as_layers(made.result_layers(result, like=source, run="7"))
    roles = ["cleaned", "residual", *result.parts, "mask"]
    assert list(layers) == [f"frame: {role}" for role in roles]
    np.testing.assert_array_equal(layers["frame: cleaned"].data, result.cleaned)
    np.testing.assert_array_equal(layers["frame: residual"].data, result.residual)
    np.testing.assert_array_equal(layers["frame: sky"].data, result.sky)
    for role, layer in zip(roles, layers.values(), strict=True):
        mark = mark_of(layer)
        assert (mark.role, mark.run) == (role, "7")
        assert mark.image is image
        assert mark.separation is result
        assert layer.metadata["header"] is image.header
        assert layer.metadata["provenance"]["method"] == "mesh"
        np.testing.assert_array_equal(layer.translate, (3, 4))
        np.testing.assert_array_equal(layer.scale, source.scale)
        assert layer.units == source.units
    shown = [name for name, layer in layers.items() if layer.visible]
    assert shown == ["frame: cleaned"]


def test_layers_are_named_as_the_caller_says(image, result):
    source = Layer.create(*images.image_layers(image, name="frame")[0])
    layers = made.result_layers(result, like=source, name="before", note=", run 2")
    assert layers[0][1]["name"] == "before: cleaned, run 2"
    assert layers[0][1]["metadata"][FROM]() is source
    copy = Layer.create(*layers[0]).as_layer_data_tuple()
    assert copy[1]["metadata"][FROM]() is source


def test_a_result_alone_lies_where_its_image_does(image, result):
    layers = as_layers(made.result_layers(result))
    assert "decam_r.fits.fz: cleaned" in layers
    assert all(
        np.allclose(layer.scale, placement_of(image)["scale"])
        for layer in layers.values()
    )


def test_layers_of_a_run_are_found_in_a_viewer(result):
    viewer = ViewerModel()
    for layer in as_layers(made.result_layers(result, run="2")).values():
        viewer.add_layer(layer)
    assert [x.name for x in marked(viewer, "sky", "2")] == ["decam_r.fits.fz: sky"]
    assert not marked(viewer, "sky", "1")


def test_original_and_cleaned_have_limits_that_look_alike(image, result):
    original, cleaned = looks.compared_limits(result)
    sigma = result.scale.median_sigma
    expected = shared_limits(result.cleaned, sigma)
    np.testing.assert_allclose(cleaned, expected, rtol=0.05)
    level = np.nanmedian(result.residual)
    np.testing.assert_allclose(np.subtract(original, cleaned), level, atol=0.2 * sigma)
    layers = as_layers(made.result_layers(result))
    shown = layers["decam_r.fits.fz: cleaned"].contrast_limits
    np.testing.assert_allclose(shown, cleaned, rtol=0.1)


def test_the_residual_is_white_at_its_level_and_reaches_four_sigma(result):
    layer = as_layers(made.result_layers(result))["decam_r.fits.fz: residual"]
    low, high = layer.contrast_limits
    sigma = result.scale.median_sigma
    assert high - low == pytest.approx(8 * sigma)
    assert (low + high) / 2 == pytest.approx(np.nanmedian(result.residual), abs=0.2)
    colours = layer.colormap.map(np.array([0.0, 0.5, 1.0]))
    assert colours[0, 2] > colours[0, 0]
    assert colours[2, 0] > colours[2, 2]
    np.testing.assert_allclose(colours[1, :3], 247 / 255, atol=0.02)


def test_noise_is_white_at_zero_and_the_sky_is_grey(result):
    noise = np.random.default_rng(3).normal(0.4, 2, result.shape).astype(np.float32)
    both = dataclasses.replace(result, parts={**result.parts, "noise": noise})
    layers = as_layers(made.result_layers(both))
    sigma = result.scale.median_sigma
    limits = layers["decam_r.fits.fz: noise"].contrast_limits
    np.testing.assert_allclose(limits, (-4 * sigma, 4 * sigma))
    assert layers["decam_r.fits.fz: noise"].data is noise
    assert layers["decam_r.fits.fz: sky"].colormap.name == "gray"


@pytest.mark.parametrize(("values", "reach"), [
    (np.zeros((20, 20)), 1),
    (np.full((20, 20), np.nan), 1),
    (np.random.default_rng(1).normal(0, 2, (200, 200)), 8),
])  # fmt: skip
def test_a_residual_without_known_noise_gets_limits_all_the_same(values, reach):
    low, high = looks.look_of("residual", values)["contrast_limits"]
    assert (high - low) / 2 == pytest.approx(reach, rel=0.05)


def test_the_mask_says_what_its_bits_mean(image, result):
    flags = result.flags.copy()
    flags[:5, :5] |= np.uint8(MaskBit.SATURATED | MaskBit.USER)
    flagged = dataclasses.replace(result, flags=flags)
    layer = as_layers(made.result_layers(flagged))["decam_r.fits.fz: mask"]
    assert isinstance(layer, Labels)
    assert layer.visible
    np.testing.assert_array_equal(layer.data, flags)
    # A user can paint on it.
    layer.data[0, 0] = 0
    assert flags[0, 0]
    assert layer.metadata["bits"][4] == "saturated"
    said = dict(zip(layer.features["index"], layer.features["flags"], strict=True))
    assert said[12] == "saturated, user"
    assert said[0] == "good"
    layer.get_status((2, 2), world=False)


def test_layers_that_are_rewritten_are_no_planes_of_the_result(result):
    known = np.full(result.shape, 2, np.float32)
    with_width = dataclasses.replace(result, uncertainty=known)
    layers = as_layers(made.result_layers(with_width))
    layers["decam_r.fits.fz: uncertainty"].data[:] = 0
    assert known.min() == 2


def test_uncertainty_and_source_numbers_come_hidden(result):
    labels = np.zeros(result.shape, np.int32)
    labels[4:9, 4:9] = 3
    both = dataclasses.replace(
        result,
        uncertainty=LazyPlane(result.shape, lambda r, c: result.cleaned[r, c] * 0 + 2),
        extras={"segm": LazyPlane(result.shape, lambda r, c: labels[r, c], np.int32)},
    )
    layers = as_layers(made.result_layers(both))
    uncertainty = layers["decam_r.fits.fz: uncertainty"]
    assert not uncertainty.visible
    assert np.nanmax(uncertainty.data) == 2
    segm = layers["decam_r.fits.fz: segm"]
    assert isinstance(segm, Labels)
    assert not segm.visible
    np.testing.assert_array_equal(segm.data, labels)


def test_large_frames_have_levels_and_are_not_copied(result):
    shape = (40, 4100)
    data = np.random.default_rng(5).normal(50, 3, shape).astype(np.float32)
    large = bgrem_core.open_image(data)
    (layer,) = as_layers(images.image_layers(large, name="wide")).values()
    assert layer.multiscale
    assert layer.data[0] is large.data
    assert [level.shape for level in layer.data] == [shape, (20, 2050), (10, 1025),
                                                     (5, 513)]  # fmt: skip
    parts = bgrem_core.clean(large, method="mesh")
    layers = as_layers(made.result_layers(parts, like=layer))
    for name in ("cleaned", "residual", "sky", "mask"):
        assert layers[f"wide: {name}"].multiscale
    np.testing.assert_array_equal(layers["wide: cleaned"].data[0], parts.cleaned)


def test_a_sample_reads_a_few_rows_of_a_plane():
    rows_read = []

    def evaluate(rows, cols):
        rows_read.append(rows)
        return np.full((rows.stop - rows.start, cols.stop - cols.start), rows.start)

    values = looks.sampled(LazyPlane((9000, 20000), evaluate))
    assert len(rows_read) == 64
    assert values.shape == (64, 5000)
    assert values[0, 0] == 0
    assert values[-1, 0] == 8999
    array = np.arange(3000 * 1100).reshape(3000, 1100)
    np.testing.assert_array_equal(looks.sampled(array), array[::5, ::2])


def test_each_part_is_evaluated_once(result):
    asked = []

    def evaluate(rows, cols):
        asked.append(rows)
        return result.sky[rows, cols]

    lazy = dataclasses.replace(result, parts={"sky": LazyPlane(result.shape, evaluate)})
    layers = as_layers(made.result_layers(lazy))
    assert sum(rows.stop - rows.start for rows in asked) == result.shape[0]
    cleaned = layers["decam_r.fits.fz: cleaned"].data
    assert cleaned.tobytes() == result.cleaned.tobytes()


def test_a_copy_of_a_layer_has_the_same_mark(image):
    import copy

    mark = Mark(role="original", image=image)
    assert copy.deepcopy({"bgrem": mark})["bgrem"] is mark


def world(layer, point):
    return np.asarray(layer.data_to_world(point))


@pytest.mark.parametrize("placed", [
    {"scale": (0.4, 0.4), "translate": (10, 20), "rotate": 30},
    {"scale": (2, 3), "shear": [0.5]},
    {"scale": (2, 3), "shear": np.array([[1.0, 0], [0.3, 1]])},
    {"affine": np.array([[0.9, -0.1, 5], [0.2, 1.1, -6], [0, 0, 1]])},
    {"scale": (0.4, 0.4), "units": ("arcsec", "arcsec"), "axis_labels": ("v", "u")},
])  # fmt: skip
def test_what_is_placed_like_a_layer_covers_it(placed):
    layer = Image(np.zeros((20, 30)), **placed)
    upon = Image(np.zeros((20, 30)), **placement_like(layer))
    np.testing.assert_allclose(world(upon, (3, 7)), world(layer, (3, 7)), atol=1e-9)
    assert upon.units == layer.units
    assert upon.axis_labels == layer.axis_labels


def test_what_is_placed_like_a_plane_of_a_cube_covers_it():
    cube = Image(
        np.zeros((4, 20, 30)),
        scale=(5, 2, 3),
        translate=(7, 8, 9),
        shear=[0.0, 0.0, 0.4],
        axis_labels=("wave", "y", "x"),
    )
    upon = Image(np.zeros((20, 30)), **placement_like(cube))
    np.testing.assert_allclose(world(upon, (3, 7)), world(cube, (2, 3, 7))[1:])
    assert upon.axis_labels == ("y", "x")
