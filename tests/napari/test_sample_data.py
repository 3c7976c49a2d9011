"""Sample data: what ships, as layers."""

import numpy as np
import pytest
from astropy.io import fits
from napari.components import ViewerModel
from napari.layers import Image, Layer, Points

import bgrem_core
from bgrem_core import samples
from napari_bgrem import sample_data
from napari_bgrem.image_of import image_of
from napari_bgrem.mark import mark_of, marked
from napari_bgrem.sample_data import TABLE


@pytest.mark.parametrize("name", samples.names())
def test_every_sample_is_its_file(name):
    layers = [Layer.create(*t) for t in getattr(sample_data, name)()]
    image = layers[0]
    assert isinstance(image, Image)
    assert image.name == name
    assert mark_of(image).role == "original"
    assert image_of(image).origin.path == samples.path(name)
    with fits.open(samples.path(name)) as hdus:
        stored = next(h.data for h in hdus if h.is_image and h.data is not None)
        np.testing.assert_array_equal(image.data, stored.astype(np.float32))


@pytest.mark.parametrize(
    "name", sorted(set(samples.names()) - {"photons", "satellite", "simulated"})
)
def test_a_real_frame_has_no_truth(name):
    assert len(getattr(sample_data, name)()) == 1


def test_the_truth_of_the_simulated_frame_lies_hidden_on_its_sources():
    viewer = ViewerModel()
    for layer in sample_data.simulated():
        viewer.add_layer(Layer.create(*layer))
    image, truth = viewer.layers
    assert isinstance(truth, Points)
    assert marked(viewer, "truth") == [truth]
    assert not truth.visible
    assert truth.name == "simulated: truth"
    assert mark_of(truth).image is mark_of(image).image
    table = samples.truth("simulated")
    assert truth.metadata[TABLE].colnames == table.colnames
    np.testing.assert_allclose(truth.features["snr"], table["snr"])
    assert set(truth.features["kind"]) == set(table["kind"])
    assert truth.units == image.units
    # The brightest stars are where the image is bright.
    bright = truth.data[(table["snr"] > 300) & (table["kind"] == "star")]
    assert len(bright) > 3
    rows, cols = np.rint(bright).astype(int).T
    level = np.median(image.data)
    assert (image.data[rows, cols] > level + 25).all()
    world = truth.data_to_world(bright[0])
    np.testing.assert_allclose(image.world_to_data(world), bright[0])


def test_samples_open_through_the_manifest(viewer):
    (layer,) = viewer.open_sample("napari-bgrem", "decam_i")
    opened = image_of(layer)
    expected = bgrem_core.open_image(samples.path("decam_i"))
    np.testing.assert_array_equal(opened.data, expected.data)
    assert layer.source.sample == ("napari-bgrem", "decam_i")
